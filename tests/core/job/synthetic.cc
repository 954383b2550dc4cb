#include "tests/core/job/synthetic.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "core/io/tensor_file.h"

namespace acclimate::testing {
namespace {

constexpr int64_t kBatchSize = 16;

void MustBeOk(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

const methods::MethodSpec& SpecNamed(const std::string& name) {
  static const auto* const kCatalog = new std::vector<methods::MethodSpec>(job::Catalog());
  for (const methods::MethodSpec& spec : *kCatalog) {
    if (spec.name == name) return spec;
  }
  throw std::runtime_error("no method " + name);
}

// So few that a test can run every method.
methods::Hyperparameters Shortened(const methods::MethodSpec& spec) {
  const std::map<std::string, int64_t> few = {
      {"epochs", 2},     {"steps", 9}, {"batch_size", kBatchSize},
      {"chunk_size", 6}, {"ways", 3},  {"validation_episodes", 5}};
  methods::Hyperparameters values;
  for (const methods::HyperparameterSpec& known : spec.hyperparameters) {
    const auto it = few.find(known.name);
    if (it != few.end()) values[known.name] = it->second;
    if (known.name == "budget") values[known.name] = 0.01;
  }
  return values;
}

Domain Counts(const Domain& domain) { return {domain.inputs.relu(), domain.labels}; }

// Removes the folders it was given when the process ends.
class FolderRemover {
 public:
  ~FolderRemover() {
    std::error_code ignored;
    for (const std::string& folder : folders_) std::filesystem::remove_all(folder, ignored);
  }
  void Add(const std::string& folder) { folders_.push_back(folder); }

 private:
  std::vector<std::string> folders_;
};

}  // namespace

std::string NewFolder(const std::string& name) {
  std::string pattern =
      (std::filesystem::temp_directory_path() / ("acclimate_" + name + "_XXXXXX")).string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  static FolderRemover remover;
  remover.Add(pattern);
  return pattern;
}

Domain MakeDomain(int64_t samples, const std::vector<int64_t>& sample_shape, uint64_t seed,
                  int64_t classes) {
  std::vector<int64_t> shape = sample_shape;
  shape.insert(shape.begin(), classes);
  const at::Tensor centres = at::randn(shape, at::detail::createCPUGenerator(12345), at::kFloat);
  shape[0] = samples;
  at::Tensor noise = at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
  at::Tensor labels = at::arange(samples, at::kLong).remainder(classes);
  return {centres.index_select(0, labels) + 0.7 * noise, labels};
}

Domain Shifted(const Domain& domain, double gain, double offset) {
  return {domain.inputs * gain + offset, domain.labels};
}

void WriteDomain(const std::string& path, const Domain& domain) {
  std::map<std::string, at::Tensor> tensors = {{"inputs", domain.inputs}};
  if (domain.labels.defined()) tensors["labels"] = domain.labels;
  MustBeOk(io::WriteSafetensors(path, tensors));
}

std::shared_ptr<io::MappedFile> OpenFile(const std::string& path) {
  absl::StatusOr<std::shared_ptr<io::MappedFile>> file = io::MappedFile::Open(path);
  MustBeOk(file.status());
  return *file;
}

std::map<std::string, at::Tensor> ReadTensors(const std::string& path) {
  absl::StatusOr<io::TensorFile> file = io::ReadSafetensors(OpenFile(path));
  MustBeOk(file.status());
  return file->tensors;
}

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void TestObserver::OnMetrics(const job::Progress& progress,
                             const std::map<std::string, double>& values) {
  metrics.push_back(values);
  last_progress = progress;
}

job::Directive TestObserver::NextDirective() {
  ++questions;
  return stop_after_ > 0 && questions >= stop_after_ ? directive_ : job::Directive::kContinue;
}

World::World(const std::string& name, const std::string& architecture,
             const std::vector<int64_t>& sample_shape)
    : folder_(NewFolder(name)) {
  WriteDomain(Path("source.safetensors"), MakeDomain(96, sample_shape, 1));
  WriteDomain(Path("second_source.safetensors"),
              Shifted(MakeDomain(80, sample_shape, 4), 1.2, 2.0));
  WriteDomain(Path("counts_source.safetensors"), Counts(MakeDomain(96, sample_shape, 1)));
  const Domain target = Shifted(MakeDomain(90, sample_shape, 2));
  WriteDomain(Path("target.safetensors"), {target.inputs, {}});
  WriteDomain(Path("labelled_target.safetensors"), target);
  WriteDomain(Path("evaluation.safetensors"), Shifted(MakeDomain(60, sample_shape, 3)));

  job::RunSpec spec;
  spec.method = "finetune";
  spec.architecture = architecture;
  spec.target = OpenFile(Path("source.safetensors"));
  spec.hyperparameters = {{"epochs", int64_t{10}}, {"batch_size", kBatchSize}, {"augment", "none"}};
  spec.normalization.mode = "none";
  spec.output_directory = folder_;
  TestObserver observer;
  MustBeOk(job::Run(spec, observer).status());
}

job::RunSpec World::Spec(const std::string& method) const {
  return SpecFor(method, folder_, NewFolder("out"));
}

job::RunSpec SpecFor(const std::string& method, const std::string& world_folder,
                     const std::string& output_directory) {
  const methods::MethodSpec& description = SpecNamed(method);
  const auto open = [&](const std::string& file) { return OpenFile(world_folder + "/" + file); };
  job::RunSpec spec;
  spec.method = method;
  spec.hyperparameters = Shortened(description);
  spec.checkpoint = open("model.safetensors");
  if (description.source != methods::DataNeed::kNone) {
    spec.sources = {open("source.safetensors")};
  }
  if (method == "moe" || method == "multi_source_dann") {
    spec.sources.push_back(open("second_source.safetensors"));
  }
  if (description.needs_counts) spec.sources = {open("counts_source.safetensors")};
  for (const methods::InputSpec& input : description.inputs) {
    using Kind = methods::InputSpec::Kind;
    if (input.kind == Kind::kModel) spec.inputs[input.name] = open("model.safetensors");
    if (input.kind == Kind::kDataset) spec.inputs[input.name] = open("target.safetensors");
    if (input.kind == Kind::kLabelledDataset) spec.inputs[input.name] = open("source.safetensors");
  }
  const bool labels = description.target_labels == methods::DataNeed::kRequired;
  spec.target = open(labels ? "labelled_target.safetensors" : "target.safetensors");
  if (description.trains) spec.evaluation = open("evaluation.safetensors");
  spec.seed = 7;
  spec.output_directory = output_directory;
  return spec;
}

}  // namespace acclimate::testing
