#include "tests/e2e/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace acclimate::e2e {
namespace {

using nlohmann::json;

constexpr absl::Duration kPatience = absl::Minutes(3);

// A named pipe for both sides. Open for writing too, so that it does not wait for the other side.
int OpenPipe(const std::string& path) {
  if (mkfifo(path.c_str(), 0600) != 0) return -1;
  return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

}  // namespace

bool Browser::IsInstalled() { return std::system("command -v chromium >/dev/null") == 0; }

Browser::Browser()
    : to_browser_(OpenPipe(folder_.File("in"))), from_browser_(OpenPipe(folder_.File("out"))) {
  const std::string command =
      absl::StrCat("exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage ",
                   "--remote-debugging-pipe --user-data-dir=", folder_.File("profile"),
                   " about:blank 3<", folder_.File("in"), " 4>", folder_.File("out"));
  process_ = std::make_unique<ChildProcess>(std::vector<std::string>{"/bin/sh", "-c", command},
                                            folder_.File("chromium"));
  for (const json& target : Call("Target.getTargets").value("targetInfos", json::array())) {
    if (target["type"] != "page") continue;
    const json attached =
        Call("Target.attachToTarget", {{"targetId", target["targetId"]}, {"flatten", true}});
    session_ = attached.value("sessionId", "");
  }
  EXPECT_NE(session_, "") << "the browser shows no page: " << process_->Stderr();
  for (const char* domain : {"Page.enable", "Runtime.enable", "Log.enable"}) Call(domain);
}

Browser::~Browser() {
  session_.clear();
  Call("Browser.close");
  process_->Wait(kPatience);
  close(to_browser_);
  close(from_browser_);
}

void Browser::Open(const std::string& url) { Call("Page.navigate", {{"url", url}}); }

json Browser::Evaluate(const std::string& expression) {
  const json answer =
      Call("Runtime.evaluate",
           {{"expression", expression}, {"returnByValue", true}, {"awaitPromise", true}});
  if (!answer.is_object() || answer.contains("exceptionDetails")) return nullptr;
  return answer["result"].value("value", json());
}

bool Browser::WaitFor(const std::string& expression) {
  return WaitUntil([&] { return Evaluate(expression) == true; }, kPatience);
}

std::string Browser::Text(const std::string& selector) {
  const json text =
      Evaluate("document.querySelector(" + json(selector).dump() + ")?.innerText ?? ''");
  return text.is_string() ? text.get<std::string>() : "";
}

json Browser::Call(const std::string& method, const json& parameters) {
  json call = {{"id", ++calls_}, {"method", method}};
  if (!parameters.is_null()) call["params"] = parameters;
  if (!session_.empty()) call["sessionId"] = session_;
  const std::string bytes = call.dump() + '\0';
  if (write(to_browser_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return nullptr;
  }
  while (true) {
    const std::string message = ReadMessage();
    if (message.empty()) return nullptr;
    const json parsed = json::parse(message, nullptr, /*allow_exceptions=*/false);
    if (parsed.value("id", 0) == calls_) return parsed.value("result", json());
    Note(parsed);
  }
}

std::string Browser::ReadMessage() {
  while (true) {
    if (const size_t end = unread_.find('\0'); end != std::string::npos) {
      const std::string message = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return message;
    }
    pollfd ready{from_browser_, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) <= 0) {
      ADD_FAILURE() << "the browser does not answer: " << process_->Stderr();
      return "";
    }
    char buffer[65536];
    const ssize_t got = read(from_browser_, buffer, sizeof(buffer));
    if (got <= 0) return "";
    unread_.append(buffer, static_cast<size_t>(got));
  }
}

void Browser::Note(const json& event) {
  const std::string method = event.value("method", "");
  if (method == "Log.entryAdded" || method == "Runtime.consoleAPICalled" ||
      method == "Runtime.exceptionThrown") {
    problems_.push_back(event["params"].dump());
  }
}

}  // namespace acclimate::e2e
