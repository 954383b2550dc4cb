// Omniglot, N-way K-shot: meta-learning methods trained on some alphabets and measured on episodes
// of alphabets that were held out.
//
//   few_shot_accuracy [--held-out Greek] [--variants maml,fomaml,anil,protonet] [--seeds 1,2,3]
//                     [--architecture conv4] [--start CHECKPOINT] [--set steps=2000]...
//                     [--threads 1] [--out FOLDER] [--json FILE]
//
// --held-out takes names separated by commas. --start: a checkpoint to start from instead of a
// fresh model.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/io/tensor_file.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"

namespace {

using acclimate::bench::DataFile;
using acclimate::bench::Fail;
using acclimate::bench::Flags;
using acclimate::bench::Must;
using acclimate::bench::OpenFile;
using acclimate::bench::Outcome;
using acclimate::bench::ResultTable;
using acclimate::bench::RunVariant;
using acclimate::bench::WriteTensors;

// Writes base.safetensors and held_out.safetensors.
void SplitAlphabets(const std::vector<std::string>& held_out, const std::string& folder) {
  const std::string path = DataFile("omniglot/background_small_28.safetensors");
  const auto file = Must(acclimate::io::ReadSafetensors(OpenFile(path)));
  const std::vector<std::string> names = absl::StrSplit(file.metadata.at("alphabets"), ',');
  at::Tensor chosen = at::zeros({file.tensors.at("labels").size(0)}, at::kBool);
  for (const std::string& name : held_out) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) Fail(absl::StrCat("no alphabet ", name));
    chosen |= file.tensors.at("alphabet").eq(static_cast<int64_t>(found - names.begin()));
  }
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& name, const at::Tensor& rows) {
    WriteTensors(folder + name, {{"inputs", file.tensors.at("inputs").index({rows})},
                                 {"labels", file.tensors.at("labels").index({rows})}});
  };
  write("/base.safetensors", ~chosen);
  write("/held_out.safetensors", chosen);
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Flags flags(argc, argv,
                    {{"held-out", "Greek"},
                     {"variants", "maml,fomaml,anil,protonet"},
                     {"seeds", "1,2,3"},
                     {"architecture", "conv4"},
                     {"start", ""},
                     {"set", ""},
                     {"threads", "1"},
                     {"out", "few_shot_accuracy.out"},
                     {"json", ""}});
  const std::vector<std::string> seeds = flags.Seeds();
  const std::string start = flags.Text("start"), folder = flags.Text("out");
  SplitAlphabets(flags.List("held-out"), folder);
  ResultTable table;
  for (const std::string& seed : seeds) {
    for (const std::string& variant : flags.List("variants")) {
      acclimate::job::RunSpec spec;
      spec.method = variant == "fomaml" ? "maml" : variant;
      if (variant == "fomaml") spec.hyperparameters["second_order"] = false;
      if (start.empty()) {
        spec.architecture = flags.Text("architecture");
      } else {
        spec.checkpoint = OpenFile(start);
      }
      spec.target = OpenFile(folder + "/base.safetensors");
      spec.inputs["validation"] = OpenFile(folder + "/held_out.safetensors");
      const Outcome outcome = RunVariant(flags, variant, seed, spec);
      std::printf("seed %s  %-9s %.2f %% +- %.2f (before %.2f %%), %.0f s\n", seed.c_str(),
                  variant.c_str(), 100 * outcome.metrics.at("few_shot_accuracy"),
                  100 * outcome.metrics.at("few_shot_half_width_95"),
                  100 * outcome.metrics.at("few_shot_accuracy_before"), outcome.seconds);
      table.Add(variant, "accuracy", outcome.metrics.at("few_shot_accuracy"));
      table.Add(variant, "seconds", outcome.seconds);
    }
  }
  table.Print();
  acclimate::bench::WriteJson(flags.Text("json"), {{"task", "omniglot"},
                                                   {"held_out", flags.Text("held-out")},
                                                   {"seeds", seeds},
                                                   {"variants", table.values()}});
  return 0;
}
