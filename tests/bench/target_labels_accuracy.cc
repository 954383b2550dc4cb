// What labels of the target are worth to a model of another domain, through job::Run: LeNet from
// MNIST, and few labelled digits of USPS.
//
//   target_labels_accuracy [--variants fresh,finetune,...] [--seeds 1,2,3] [--labels 100]
//                          [--set learning_rate=0.003]... [--threads 1] [--out FOLDER]
//                          [--json FILE]
//
// Labels are bought in the first 4000 samples of USPS's training set, by the seed; accuracy is
// counted on the others. Variants:
//
//   fresh         `finetune` from fresh weights
//   finetune      from MNIST's model; l2_sp, delta, bss: with that regulariser; layer_decay: with
//                 0.1; bn_auto: with batch_norm=auto
//   progressive   as many passes, a quarter of them a stage
//   low_rank, batch_norm, bias, head: `light` with those parts
//   requested     `finetune` on the samples that `concept_shift` asks labels for
//   concept       `concept_shift` with the labels as they are, and with two classes exchanged: how
//                 often its test finds the change (p < 0.05), over the seeds
#include <ATen/ATen.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/adaptation_tasks.h"

namespace {

using acclimate::bench::AdaptationTask;
using acclimate::bench::DataFolder;
using acclimate::bench::Fail;
using acclimate::bench::Flags;
using acclimate::bench::OpenFile;
using acclimate::bench::Outcome;
using acclimate::bench::ParseSeed;
using acclimate::bench::PrepareTask;
using acclimate::bench::ReadTensors;
using acclimate::bench::ResultTable;
using acclimate::bench::RunVariant;
using acclimate::bench::SourceModel;
using acclimate::bench::WriteTensors;
using acclimate::job::RunSpec;
using acclimate::methods::Hyperparameters;

constexpr int64_t kPool = 4000, kPasses = 200, kDigits = 10;
constexpr int64_t kExchanged = 3, kWith = 8;  // digits

struct Variant {
  const char* method;
  Hyperparameters settings;
};

const std::map<std::string, Variant>& Variants() {
  static const auto* const kVariants = new std::map<std::string, Variant>{
      {"fresh", {"finetune", {{"epochs", kPasses}}}},
      {"finetune", {"finetune", {{"epochs", kPasses}}}},
      {"l2_sp", {"finetune", {{"epochs", kPasses}, {"regularizer", "l2_sp"}}}},
      {"delta", {"finetune", {{"epochs", kPasses}, {"regularizer", "delta"}}}},
      {"bss", {"finetune", {{"epochs", kPasses}, {"regularizer", "bss"}}}},
      {"layer_decay", {"finetune", {{"epochs", kPasses}, {"layer_decay", 0.1}}}},
      {"bn_auto", {"finetune", {{"epochs", kPasses}, {"batch_norm", "auto"}}}},
      {"progressive", {"progressive", {{"epochs", kPasses / 4}}}},
      {"low_rank", {"light", {{"epochs", kPasses}}}},
      {"batch_norm", {"light", {{"epochs", kPasses}, {"parts", "batch_norm"}}}},
      {"bias", {"light", {{"epochs", kPasses}, {"parts", "bias"}}}},
      {"head", {"light", {{"epochs", kPasses}, {"parts", "head"}}}},
      {"requested", {"finetune", {{"epochs", kPasses}}}},
      {"concept", {"concept_shift", {}}},
  };
  return *kVariants;
}

class Measurement {
 public:
  Measurement(const Flags& flags, const std::string& seed)
      : flags_(flags),
        seed_(seed),
        folder_(absl::StrCat(flags.Text("out"), "/data-", seed)),
        task_(PrepareTask("mnist_usps", DataFolder(), folder_)),
        usps_(ReadTensors(task_.target)),
        source_model_(SourceModel(task_, seed, folder_ + "/source")) {
    at::Generator random = at::detail::createCPUGenerator(ParseSeed(seed));
    labelled_ = at::randperm(kPool, random, at::TensorOptions(at::kLong))
                    .slice(0, 0, flags.Integer("labels"));
    Write("pool", at::arange(kPool, at::kLong), /*labels=*/false);
    Write("test", at::arange(kPool, usps_.at("labels").size(0), at::kLong));
    Write("few", labelled_);
    WriteExchanged();
  }

  void Measure(const std::string& variant, ResultTable& table) {
    if (variant == "concept") {
      Add("labels as they are", Found("few"), table);
      Add("two classes exchanged", Found("exchanged"), table);
      return;
    }
    if (variant == "requested") Write("requested", Requested());
    RunSpec spec = Spec(variant);
    spec.target = OpenFile(File(variant == "requested" ? "requested" : "few"));
    spec.evaluation = OpenFile(File("test"));
    const Outcome outcome = RunVariant(flags_, variant, seed_, spec);
    const auto& cost = outcome.report.at("cost");
    std::printf("seed %s  %-12s %.2f %%, %.1f core s\n", seed_.c_str(), variant.c_str(),
                100 * outcome.metrics.at("accuracy"), cost.at("core_seconds").get<double>());
    table.Add(variant, "accuracy", outcome.metrics.at("accuracy"));
    table.Add(variant, "core_seconds", cost.at("core_seconds").get<double>());
    if (cost.contains("changed_bytes")) {
      table.Add(variant, "changed_kib", cost.at("changed_bytes").get<double>() / 1024);
    }
  }

 private:
  std::string File(const std::string& name) const {
    return absl::StrCat(folder_, "/", name, ".safetensors");
  }

  void Write(const std::string& name, const at::Tensor& index, bool labels = true) const {
    std::map<std::string, at::Tensor> tensors = {
        {"inputs", usps_.at("inputs").index_select(0, index)}};
    if (labels) tensors["labels"] = usps_.at("labels").index_select(0, index);
    WriteTensors(File(name), tensors);
  }

  RunSpec Spec(const std::string& variant) const {
    const Variant& known = Variants().at(variant);
    RunSpec spec;
    spec.method = known.method;
    spec.hyperparameters = known.settings;
    spec.normalization.mean = task_.mean;
    spec.normalization.std = task_.std;
    spec.num_classes = kDigits;
    if (variant == "fresh") {
      spec.architecture = task_.architecture;
    } else {
      spec.checkpoint = OpenFile(source_model_);
    }
    return spec;
  }

  RunSpec ConceptSpec() const {
    RunSpec spec = Spec("concept");
    spec.sources = {OpenFile(task_.source)};
    spec.target = OpenFile(File("pool"));
    return spec;
  }

  at::Tensor Requested() const {
    RunSpec spec = ConceptSpec();
    spec.hyperparameters["requests"] = labelled_.size(0);
    RunVariant(flags_, "requests", seed_, spec);
    return ReadTensors(
               absl::StrCat(flags_.Text("out"), "/requests-", seed_, "/active_request.safetensors"))
        .at("indices");
  }

  // 1 where the test finds, by the labels in that file, that the concept moved.
  double Found(const std::string& labelled) const {
    RunSpec spec = ConceptSpec();
    spec.inputs["labelled"] = OpenFile(File(labelled));
    return RunVariant(flags_, "concept_" + labelled, seed_, spec).metrics.at("labels_p_value") <
                   0.05
               ? 1
               : 0;
  }

  void Add(const std::string& variant, double found, ResultTable& table) const {
    std::printf("seed %s  %s: %s\n", seed_.c_str(), variant.c_str(),
                found > 0 ? "the concept moved" : "no sign of it");
    table.Add(variant, "found", found);
  }

  void WriteExchanged() const {
    auto few = ReadTensors(File("few"));
    const at::Tensor labels = few.at("labels").to(at::kLong);
    few["labels"] =
        labels.masked_fill(labels.eq(kExchanged), kWith).masked_fill(labels.eq(kWith), kExchanged);
    WriteTensors(File("exchanged"), few);
  }

  const Flags& flags_;
  const std::string seed_, folder_;
  const AdaptationTask task_;
  const std::map<std::string, at::Tensor> usps_;
  const std::string source_model_;
  at::Tensor labelled_;  // int64: places in the pool
};

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Flags flags(argc, argv,
                    {{"variants",
                      "fresh,finetune,l2_sp,delta,bss,layer_decay,bn_auto,progressive,low_rank,"
                      "batch_norm,bias,head,requested"},
                     {"seeds", "1,2,3"},
                     {"labels", "100"},
                     {"set", ""},
                     {"threads", "1"},
                     {"out", "target_labels_accuracy.out"},
                     {"json", ""}});
  const std::vector<std::string> seeds = flags.Seeds(), variants = flags.List("variants");
  for (const std::string& variant : variants) {
    if (Variants().count(variant) == 0) Fail(absl::StrCat("unknown variant ", variant));
  }
  ResultTable table;
  for (const std::string& seed : seeds) {
    Measurement measurement(flags, seed);
    for (const std::string& variant : variants) measurement.Measure(variant, table);
  }
  table.Print();
  acclimate::bench::WriteJson(
      flags.Text("json"), {{"task", "mnist_usps"}, {"seeds", seeds}, {"variants", table.values()}});
  return 0;
}
