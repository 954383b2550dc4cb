// One run, from files to files: load a checkpoint and data, adapt or evaluate, write the model and
// the report. What the worker calls; free of LibTorch, so that its callers stay light.
//
//   job::RunSpec spec;
//   spec.method = "shot";
//   spec.checkpoint = *io::MappedFile::Open("lenet.pt");
//   spec.target = *io::MappedFile::Open("usps.safetensors");
//   spec.output_directory = "/tmp/out";
//   absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
#ifndef ACCLIMATE_CORE_JOB_RUN_H_
#define ACCLIMATE_CORE_JOB_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/pictures/picture_convention.h"
#include "core/data/table/table_options.h"
#include "core/io/mapped_file.h"
#include "core/job/normalization_request.h"
#include "core/methods/method_spec.h"
#include "core/report/audit.h"
#include "core/train/progress.h"

namespace acclimate::job {

struct RunSpec {
  std::string method;
  methods::Hyperparameters hyperparameters;    // those given; the rest take their defaults
  std::shared_ptr<io::MappedFile> checkpoint;  // null: start from `architecture`
  std::string architecture;                    // for a state dict or a fresh start
  int64_t num_classes = 0;                     // fresh start; 0: from the labels
  std::vector<std::shared_ptr<io::MappedFile>> sources;  // labelled
  std::shared_ptr<io::MappedFile> target;
  std::shared_ptr<io::MappedFile> evaluation;                     // labelled; only ever reported
  std::map<std::string, std::shared_ptr<io::MappedFile>> inputs;  // by name of the InputSpec
  std::vector<report::AuditLabel> audit;  // of some samples of the target; reported
  // The guard may ask the audit's labels. False: they choose nothing.
  bool use_audit = false;
  // What the hyperparameter batch_size, where there is one, is divided by; at least 2 stay.
  int64_t batch_divisor = 1;
  NormalizationRequest normalization;
  data::TableOptions table;          // for CSV files
  data::PictureConvention pictures;  // for archives of pictures; zeros: as recorded
  uint64_t seed = 0;
  std::string device = "auto";  // auto, cpu, cuda or cuda:<i>
  int threads = 1;
  // Of the forward passes: auto, fp32, bf16 or fp16; see core/job/precision.h.
  std::string precision = "auto";
  double time_limit_seconds = 0;  // after which the owner will stop the run; 0: none known
  std::string output_directory;   // exists and is writable; receives the files of RunResult
  // Every field that could not have been checked without reading the files is checked first.
  std::shared_ptr<io::MappedFile> resume_state;  // from RunObserver::OnTrainingState; null: begin
  int64_t state_every_steps = 0;                 // save the training state this often; 0: never
  double state_every_seconds = 0;                // likewise, at most a fiftieth of the time
  // Names for lineage.json, in order: digests ("sha256:...") of the blobs behind the files.
  std::map<std::string, std::string> lineage;
};

using train::Directive;
using train::Progress;

// Called from the thread of Run(), between steps; a slow observer slows the run.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // loading_data, loading_model, preparing, training, evaluating, saving.
  virtual void OnPhase(const std::string& phase) = 0;
  // values: "loss", "loss/<part>", "learning_rate", "lambda", ... and the evaluation results
  // "source_accuracy", "accuracy" in [0, 1].
  virtual void OnMetrics(const Progress& progress, const std::map<std::string, double>& values) = 0;
  virtual void OnWarning(const std::string& message) = 0;
  // A resumable state was written whole to `path`, which belongs to the observer from here on.
  virtual void OnTrainingState(int64_t step, const std::string& path) = 0;
  // Asked before every step.
  virtual Directive NextDirective() = 0;
};

struct RunResult {
  enum class Outcome { kFinished, kCancelled, kPaused };
  Outcome outcome = Outcome::kFinished;
  // Relative to output_directory: "model.pt" (or .pt2, .safetensors, .pth), "changed.safetensors",
  // "lineage.json", "probabilities.safetensors", "report.json", "report.html";
  // "training_state.safetensors" when paused; nothing when that came before there was a state.
  std::vector<std::string> files;
  std::map<std::string, double> metrics;  // the last values: "accuracy", "source_accuracy", ...
  std::string precision;                  // in which it ran: fp32, bf16 or fp16
};

// INVALID_ARGUMENT: what the client can mend, naming the field ("target: ...", "checkpoint: ...",
// "hyperparameters.batch_size: ..."). RESOURCE_EXHAUSTED: out of memory. LibTorch's exceptions do
// not cross this line.
absl::StatusOr<RunResult> Run(const RunSpec& spec, RunObserver& observer);

// The catalogue: every registered method, sorted by name.
std::vector<methods::MethodSpec> Catalog();
// The names of the built-in architectures, sorted.
std::vector<std::string> Architectures();

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_RUN_H_
