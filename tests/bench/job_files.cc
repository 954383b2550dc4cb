#include "tests/bench/job_files.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "tests/bench/accuracy_run.h"

namespace acclimate::bench {
namespace {

std::map<std::string, at::Tensor> Images(const model::ArchitectureOptions& architecture,
                                         int64_t samples, double gain, bool labels) {
  std::vector<int64_t> shape = architecture.sample_shape;
  shape.insert(shape.begin(), architecture.num_classes);
  const at::Tensor patterns = at::randn(shape, at::detail::createCPUGenerator(1));
  shape.front() = samples;
  const at::Tensor of = at::randint(architecture.num_classes, {samples}, at::kLong);
  std::map<std::string, at::Tensor> tensors = {
      {"inputs", gain * (0.5 * patterns.index_select(0, of) + at::randn(shape))}};
  if (labels) tensors["labels"] = of;
  return tensors;
}

}  // namespace

JobFiles WriteJobFiles(const std::string& folder, const model::ArchitectureOptions& architecture,
                       int64_t source, int64_t target) {
  std::filesystem::create_directories(folder);
  const JobFiles files = {folder + "/model.safetensors", folder + "/source.safetensors",
                          folder + "/target.safetensors"};
  at::manual_seed(3);
  Must(Must(model::BuildArchitecture(architecture))->Save(files.model));
  WriteTensors(files.source, Images(architecture, source, 1.0, /*labels=*/true));
  WriteTensors(files.target, Images(architecture, target, 1.5, /*labels=*/false));
  return files;
}

job::RunSpec JobSpec(const std::string& method, const JobFiles& files, const std::string& out,
                     const methods::Hyperparameters& settings) {
  job::RunSpec spec;
  spec.method = method;
  spec.checkpoint = OpenFile(files.model);
  if (SpecOf(method).source == methods::DataNeed::kRequired) {
    spec.sources = {OpenFile(files.source)};
  }
  spec.target = OpenFile(files.target);
  spec.hyperparameters = settings;
  spec.output_directory = out;
  return spec;
}

}  // namespace acclimate::bench
