#include "tests/e2e/server_process.h"

#include <signal.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::e2e {

ServerProcess::ServerProcess(int slots, std::vector<std::string> more_flags)
    : slots_(slots), more_flags_(std::move(more_flags)) {
  Start();
}

ServerProcess::~ServerProcess() {
  // What the server said is what a failure is understood by.
  if (testing::Test::HasFailure()) std::fprintf(stderr, "-- server's log\n%s\n", log().c_str());
  if (process_->Running()) Stop();
}

void ServerProcess::Start() { ASSERT_TRUE(TryStart()) << "the server ended: " << log(); }

bool ServerProcess::TryStart() {
  const std::string endpoint = data_folder() + "/endpoint.json";
  std::remove(endpoint.c_str());
  std::vector<std::string> command = {ACCLIMATED,
                                      "serve",
                                      "--data-dir=" + data_folder(),
                                      "--listen=" + address_,
                                      "--metrics-listen=" + metrics_address_,
                                      absl::StrCat("--slots=", slots_),
                                      "--worker=" ACCLIMATE_WORKER,
                                      "--drain-timeout=1s"};
#ifdef __SANITIZE_THREAD__  // whose own thread keeps landlock from being closed
  command.push_back("--require-sandbox=false");
#endif
  command.insert(command.end(), more_flags_.begin(), more_flags_.end());
  process_ = std::make_unique<ChildProcess>(command, folder_.File("server"));
  nlohmann::json where;
  EXPECT_TRUE(WaitUntil([&] {
    where = nlohmann::json::parse(ReadFile(endpoint), nullptr, /*allow_exceptions=*/false);
    return where.is_object() || !process_->Running();
  }));
  if (!where.is_object()) return false;
  address_ = where["listen"];
  metrics_address_ = where["metrics_listen"];
  return true;
}

void ServerProcess::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait();
}

int ServerProcess::Stop() {
  process_->Signal(SIGTERM);
  return WaitForExit();
}

int ServerProcess::WaitForExit() { return process_->Wait(absl::Minutes(1)).value_or(-1); }

std::unique_ptr<client::Connection> ServerProcess::Connect() const {
  return std::make_unique<client::Connection>(
      client::ConnectionOptions{.server = address_, .first_contact_patience = absl::Seconds(20)});
}

}  // namespace acclimate::e2e
