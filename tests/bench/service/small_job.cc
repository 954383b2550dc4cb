#include "tests/bench/service/small_job.h"

#include <cstdint>
#include <fstream>
#include <random>
#include <string>

#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "tests/bench/service/report.h"

namespace acclimate::bench {
namespace {

constexpr int64_t kImages = 64;
constexpr int64_t kImageBytes = 28 * 28;
constexpr int64_t kClasses = 10;
constexpr absl::Duration kWarmUpLimit = absl::Seconds(60);

// safetensors: the header's length, the header, the tensors.
void WriteImages(const std::string& path) {
  const int64_t labels_begin = kImages * kImageBytes;
  const int64_t labels_end = labels_begin + kImages * static_cast<int64_t>(sizeof(int64_t));
  const Json header = {
      {"inputs",
       {{"dtype", "U8"}, {"shape", {kImages, 1, 28, 28}}, {"data_offsets", {0, labels_begin}}}},
      {"labels",
       {{"dtype", "I64"}, {"shape", {kImages}}, {"data_offsets", {labels_begin, labels_end}}}}};
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the tensors stand aligned
  const uint64_t length = text.size();
  std::string body(labels_end, '\0');
  std::mt19937 random(1);
  for (int64_t i = 0; i < labels_begin; ++i) body[i] = static_cast<char>(random());
  for (int64_t i = 0; i < kImages; ++i) {
    body[labels_begin + i * static_cast<int64_t>(sizeof(int64_t))] =
        static_cast<char>(i % kClasses);
  }
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file << text << body;
  if (!file.flush()) Die("cannot write " + path);
}

}  // namespace

v1::CreateJobRequest PrepareSmallJob(client::Connection& connection,
                                     const std::filesystem::path& directory) {
  const std::string path = directory / "noise.safetensors";
  WriteImages(path);
  const auto uploaded = Require(client::Uploader(connection).Upload({path}), "upload");
  v1::CreateJobRequest request;
  request.set_parent(connection.Parent());
  v1::JobSpec& spec = *request.mutable_spec();
  spec.set_method("finetune");
  spec.mutable_model()->set_architecture("lenet");
  spec.mutable_model()->set_num_classes(kClasses);
  spec.mutable_target()->set_blob(uploaded[0].blob);
  spec.mutable_target()->set_display_name("noise.safetensors");
  (*spec.mutable_hyperparameters())["batch_size"].set_integer(32);
  (*spec.mutable_hyperparameters())["epochs"].set_integer(2);
  spec.set_seed(1);
  return request;
}

void AwaitWarmWorker(client::Connection& connection) {
  const absl::Time deadline = absl::Now() + kWarmUpLimit;
  while (true) {
    const auto info = Require(
        connection.Call<v1::ServerInfo>(connection.admin(), &v1::AdminService::Stub::GetServerInfo,
                                        v1::GetServerInfoRequest()),
        "GetServerInfo");
    if (info.warm_workers() >= 1 && info.queued_jobs() == 0 && info.running_jobs() == 0) return;
    if (absl::Now() > deadline) Die("no warm worker within a minute: " + info.ShortDebugString());
    absl::SleepFor(absl::Milliseconds(20));
  }
}

}  // namespace acclimate::bench
