// Small made-up domains on disk, and runs over them.
#ifndef ACCLIMATE_TESTS_CORE_JOB_SYNTHETIC_H_
#define ACCLIMATE_TESTS_CORE_JOB_SYNTHETIC_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/job/run.h"

namespace acclimate::testing {

// A new, empty folder under the system's temporary one, removed when the process ends.
std::string NewFolder(const std::string& name);

struct Domain {
  at::Tensor inputs;  // float32 [N, ...]
  at::Tensor labels;  // int64 [N]
};

// `classes` Gaussian clouds around fixed centres; the same seed draws the same samples.
Domain MakeDomain(int64_t samples, const std::vector<int64_t>& sample_shape, uint64_t seed,
                  int64_t classes = 3);
// Another gain and offset of the sensor: what batch-norm statistics can make up for.
Domain Shifted(const Domain& domain, double gain = 1.5, double offset = 8.0);

// Writes the domain to `path` as a dataset; without labels when they are undefined.
void WriteDomain(const std::string& path, const Domain& domain);
std::shared_ptr<io::MappedFile> OpenFile(const std::string& path);
// The tensors of a safetensors file.
std::map<std::string, at::Tensor> ReadTensors(const std::string& path);
std::string ReadText(const std::string& path);

// Remembers everything; says `directive` from the `stop_after`-th question on (0: never).
class TestObserver : public job::RunObserver {
 public:
  explicit TestObserver(int64_t stop_after = 0, job::Directive directive = job::Directive::kCancel)
      : stop_after_(stop_after), directive_(directive) {}

  void OnPhase(const std::string& phase) override { phases.push_back(phase); }
  void OnMetrics(const job::Progress& progress,
                 const std::map<std::string, double>& values) override;
  void OnWarning(const std::string& message) override { warnings.push_back(message); }
  void OnTrainingState(int64_t, const std::string& path) override { states.push_back(path); }
  job::Directive NextDirective() override;

  std::vector<std::string> phases, warnings, states;
  std::vector<std::map<std::string, double>> metrics;
  job::Progress last_progress;
  int64_t questions = 0;

 private:
  const int64_t stop_after_;
  const job::Directive directive_;
};

// A folder with source.safetensors, second_source.safetensors (shifted a little),
// counts_source.safetensors (without what is negative),
// target.safetensors (shifted, unlabelled), evaluation.safetensors (shifted, labelled) and
// model.safetensors, an `architecture` trained on the source.
class World {
 public:
  World(const std::string& name, const std::string& architecture,
        const std::vector<int64_t>& sample_shape);

  // The spec of `method` with the data it needs, few steps, and a new output folder.
  job::RunSpec Spec(const std::string& method) const;
  std::string Path(const std::string& file) const { return folder_ + "/" + file; }

 private:
  std::string folder_;
};

// As World::Spec(), over the files of an existing world.
job::RunSpec SpecFor(const std::string& method, const std::string& world_folder,
                     const std::string& output_directory);

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_JOB_SYNTHETIC_H_
