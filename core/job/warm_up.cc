#include "core/job/warm_up.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/mapped_file.h"
#include "core/io/tensor_file.h"
#include "core/job/run.h"

namespace acclimate::job {
namespace {

class SilentObserver : public RunObserver {
 public:
  void OnPhase(const std::string&) override {}
  void OnMetrics(const Progress&, const std::map<std::string, double>&) override {}
  void OnWarning(const std::string&) override {}
  void OnTrainingState(int64_t, const std::string&) override {}
  Directive NextDirective() override { return Directive::kContinue; }
};

absl::StatusOr<RunSpec> MiniatureJob(const std::string& directory, const std::string& device,
                                     int threads) {
  const std::string data = absl::StrCat(directory, "/data.safetensors");
  absl::Status status =
      io::WriteSafetensors(data, {{"inputs", at::zeros({32, 1, 28, 28}, at::kByte)},
                                  {"labels", at::arange(32, at::kLong).remainder(10)}});
  if (!status.ok()) return status;
  absl::StatusOr<std::shared_ptr<io::MappedFile>> file = io::MappedFile::Open(data);
  if (!file.ok()) return file.status();
  RunSpec spec;
  spec.method = "finetune";
  spec.architecture = "lenet";
  spec.hyperparameters = {{"batch_size", int64_t{16}}, {"epochs", int64_t{1}}};
  spec.target = *std::move(file);
  spec.device = device;
  spec.threads = threads;
  spec.output_directory = directory;
  return spec;
}

absl::Status RunMiniatureJob(const std::string& directory, const std::string& device, int threads) {
  absl::StatusOr<RunSpec> spec = MiniatureJob(directory, device, threads);
  if (!spec.ok()) return spec.status();
  SilentObserver observer;
  return Run(*spec, observer).status();
}

}  // namespace

absl::Status WarmUp(const std::string& scratch_directory, const std::string& device, int threads) {
  const std::string directory = absl::StrCat(scratch_directory, "/warm_up");
  std::error_code error;
  std::filesystem::create_directory(directory, error);
  if (error) return absl::PermissionDeniedError(absl::StrCat(directory, ": ", error.message()));
  absl::Status status = RunMiniatureJob(directory, device, threads);
  std::filesystem::remove_all(directory, error);
  return status;
}

}  // namespace acclimate::job
