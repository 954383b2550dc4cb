// Omniglot, N-way K-shot: meta-learning methods trained on some alphabets and measured on episodes
// of alphabets that were held out.
//
//   few_shot_accuracy [--held-out Greek] [--variants maml,fomaml,anil,protonet] [--seeds 1,2,3]
//                     [--architecture conv4] [--start CHECKPOINT] [--set steps=2000]... [--threads
//                     1]
//                     [--out FOLDER] [--json FILE]
//
// --held-out takes names separated by commas. --start: a checkpoint to start from instead of a
// fresh model.
#include <torch/types.h>

#include <algorithm>

#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"

namespace {

using acclimate::bench::DataFile;
using acclimate::bench::Fail;
using acclimate::bench::OpenFile;
using acclimate::bench::Outcome;
using acclimate::bench::ParseOptions;
using acclimate::bench::ResultTable;
using acclimate::bench::RunOptions;
using acclimate::bench::RunOrFail;
using acclimate::bench::WriteTensors;

std::string Flag(const RunOptions& options, const std::string& name, const std::string& fallback) {
  const auto found = options.other.find(name);
  return found == options.other.end() ? fallback : found->second;
}

// Writes base.safetensors and held_out.safetensors.
void SplitAlphabets(const std::string& held_out, const std::string& folder) {
  const std::string path = DataFile("omniglot/background_small_28.safetensors");
  auto file = acclimate::io::ReadSafetensors(OpenFile(path));
  if (!file.ok()) Fail(file.status().ToString());
  const std::vector<std::string> names = absl::StrSplit(file->metadata.at("alphabets"), ',');
  at::Tensor chosen = at::zeros({file->tensors.at("labels").size(0)}, at::kBool);
  for (const absl::string_view name : absl::StrSplit(held_out, ',')) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) Fail(absl::StrCat("no alphabet ", name));
    chosen |= file->tensors.at("alphabet").eq(static_cast<int64_t>(found - names.begin()));
  }
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& name, const at::Tensor& rows) {
    WriteTensors(folder + name, {{"inputs", file->tensors.at("inputs").index({rows})},
                                 {"labels", file->tensors.at("labels").index({rows})}});
  };
  write("/base.safetensors", ~chosen);
  write("/held_out.safetensors", chosen);
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  RunOptions defaults;
  defaults.variants = {"maml", "fomaml", "anil", "protonet"};
  defaults.out = "few_shot_accuracy.out";
  const RunOptions options = ParseOptions(argc, argv, defaults);
  SplitAlphabets(Flag(options, "held-out", "Greek"), options.out);
  ResultTable table;
  for (const std::string& seed : options.seeds) {
    for (const std::string& variant : options.variants) {
      acclimate::job::RunSpec spec;
      spec.method = variant == "fomaml" ? "maml" : variant;
      if (variant == "fomaml") spec.hyperparameters["second_order"] = false;
      const std::string start = Flag(options, "start", "");
      if (start.empty()) {
        spec.architecture = Flag(options, "architecture", "conv4");
      } else {
        spec.checkpoint = OpenFile(start);
      }
      spec.target = OpenFile(options.out + "/base.safetensors");
      spec.inputs["validation"] = OpenFile(options.out + "/held_out.safetensors");
      const Outcome outcome = RunOrFail(options, variant, seed, spec);
      std::printf("seed %s  %-9s %.2f %% +- %.2f (before %.2f %%), %.0f s\n", seed.c_str(),
                  variant.c_str(), 100 * outcome.metrics.at("few_shot_accuracy"),
                  100 * outcome.metrics.at("few_shot_half_width_95"),
                  100 * outcome.metrics.at("few_shot_accuracy_before"), outcome.seconds);
      table.Add(variant, "accuracy", outcome.metrics.at("few_shot_accuracy"));
      table.Add(variant, "seconds", outcome.seconds);
    }
  }
  table.Print();
  if (!options.json_file.empty()) {
    const nlohmann::json document = {{"task", "omniglot"},
                                     {"held_out", Flag(options, "held-out", "Greek")},
                                     {"seeds", options.seeds},
                                     {"variants", table.values()}};
    std::ofstream(options.json_file) << document.dump(2) << "\n";
  }
  return 0;
}
