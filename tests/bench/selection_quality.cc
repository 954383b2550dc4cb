// Which label-free score finds the weights that are best on the target? Trains source models,
// adapts them with several methods, and at several moments of each run writes down every
// validator's score and, from labels that nothing else here sees, the true accuracy. Prints, for
// each validator and the ensemble: the rank correlation with the accuracy over the candidates of a
// task and seed, and the regret of choosing by it; then how the guard did, with all of its rules
// and without each of them, and the estimates.
//
//   selection_quality [--tasks mnist_usps,gas1_gas2,...] [--methods shot,dann,...] [--seeds 1,2]
//                     [--architecture lenet] [--share 1.0] [--target-samples 8000]
//                     [--out FOLDER] [--json FILE] [--dump FOLDER]
//
// --share shortens every run to that part of its default length. Tasks: adaptation_tasks.h. Data:
// $ACCLIMATE_TEST_DATA or ../shared/data beside the repository. Source models are kept in FOLDER
// and used again. --dump writes every model's logits on the labelled samples and at home.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/run.h"
#include "core/methods/race/racer.h"
#include "core/methods/registry.h"
#include "core/methods/target_statistics.h"
#include "core/methods/teaching/classical_witness.h"
#include "core/model/checkpoint.h"
#include "core/runtime/blas.h"
#include "core/runtime/random.h"
#include "core/selection/choice.h"
#include "core/selection/examiner.h"
#include "core/selection/validator.h"
#include "core/train/bookmark.h"
#include "core/train/pass.h"
#include "core/train/tensor_maps.h"
#include "core/train/trainer.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/adaptation_tasks.h"

namespace {

using namespace acclimate;
using bench::MeanAndSpread;
using bench::Must;
using bench::OpenFile;
using bench::ParseSeed;
using nlohmann::json;
using selection::Candidate;

struct Options {
  std::vector<std::string> tasks, methods, seeds;
  std::string architecture;  // empty: the task's own
  double share = 0;
  int64_t target_samples = 0;
  std::string out, json_file, dump;
};

Options ParseOptions(int argc, char** argv) {
  const bench::Flags flags(argc, argv,
                           {{"tasks", "mnist_usps,usps_mnist"},
                            {"methods", "shot,tent,dann,dan,deep_coral"},
                            {"seeds", "1"},
                            {"architecture", ""},
                            {"share", "1.0"},
                            {"target-samples", "8000"},
                            {"out", "selection_quality.out"},
                            {"json", ""},
                            {"dump", ""}});
  Options options;
  options.tasks = flags.List("tasks");
  options.methods = flags.List("methods");
  options.seeds = flags.Seeds();
  options.architecture = flags.Text("architecture");
  options.share = flags.Number("share");
  options.target_samples = flags.Integer("target-samples");
  options.out = flags.Text("out");
  options.json_file = flags.Text("json");
  options.dump = flags.Text("dump");
  return options;
}

struct World {
  std::vector<data::Dataset> sources, held_out;  // one each
  std::vector<data::Dataset> target, labelled;
  std::shared_ptr<io::MappedFile> model;
};

World MakeWorld(const Options& options, const std::string& name, const std::string& seed) {
  bench::AdaptationTask task = bench::PrepareTask(name, bench::DataFolder(), options.out + "/made");
  if (!options.architecture.empty()) task.architecture = options.architecture;
  const data::Dataset source = bench::LoadDomain(task.source, task);
  World world;
  world.model = OpenFile(bench::SourceModel(
      task, seed, absl::StrCat(options.out, "/", task.name, "-", task.architecture, "-", seed)));
  bench::SplitSource split = bench::HoldOut(source);
  world.sources = std::move(split.sources);
  world.held_out = std::move(split.held_out);
  world.target.push_back(selection::Sample(bench::LoadDomain(task.target, task),
                                           options.target_samples, 2, /*labels=*/false));
  world.labelled.push_back(
      selection::Sample(bench::LoadDomain(task.evaluation, task), 4000, 3, true));
  return world;
}

struct Judged {
  Candidate candidate;
  double accuracy;
};

// Of a model that a run was examined with, for other programs: logits of labelled samples of the
// target, and of the held-out source.
void Dump(const std::string& name, const selection::Predictions& labelled,
          const selection::Predictions& held_out, std::map<std::string, at::Tensor>& tensors) {
  tensors[name + "/target_logits"] = labelled.logits;
  tensors[name + "/held_out_logits"] = held_out.logits;
  tensors["target_labels"] = labelled.labels;
  tensors["held_out_labels"] = held_out.labels;
}

// Each: the forms of the source, then the moments of the method's run.
struct MethodRun {
  std::vector<Judged> with_source;
  std::vector<Judged> source_free;  // the same models, examined without source data
  absl::optional<selection::SourceRecord> record;
  selection::Witnesses witnesses;  // with source data
  std::map<std::string, at::Tensor> dumped;
};

MethodRun RunMethod(const Options& options, const World& world, const std::string& name,
                    const std::string& seed) {
  train::StopSignal stop([] { return train::Directive::kContinue; });
  runtime::SeedEverything(ParseSeed(seed));
  model::LoadOptions load;
  load.sample_shape = world.target[0].sample_shape();
  std::unique_ptr<model::Model> model = Must(model::LoadCheckpoint(world.model, load));
  const methods::MethodEntry& entry = *methods::FindMethod(name);
  const bool takes_source = entry.spec.source != methods::DataNeed::kNone;
  MethodRun run;
  run.record = run.witnesses.record = selection::ReadRecord(model->metadata());
  if (entry.spec.needs_batch_norm && model->batch_norm_layers().empty()) return run;
  const selection::Examiner examiner(world.target[0], world.held_out, at::kCPU, 1);
  const selection::Examiner without(world.target[0], {}, at::kCPU, 1);
  const auto judge = [&](selection::Form form, int64_t step) {
    const selection::Predictions labelled =
        Must(selection::Predict(*model, world.labelled[0], at::kCPU, stop));
    const double accuracy =
        labelled.logits.argmax(1).eq(labelled.labels).to(at::kDouble).mean().item<double>();
    Candidate candidate = Must(examiner.Examine(*model, run.record, form, stop));
    candidate.step = step;
    if (!options.dump.empty()) {
      Dump(candidate.Name(), labelled,
           Must(selection::Predict(*model, world.held_out[0], at::kCPU, stop)), run.dumped);
    }
    run.with_source.push_back({std::move(candidate), accuracy});
    if (takes_source) return;
    candidate = Must(without.Examine(*model, run.record, form, stop));
    candidate.step = step;
    run.source_free.push_back({std::move(candidate), accuracy});
  };
  judge(selection::Form::kSource, 0);
  const train::TensorMap original = train::Copies(model->StateDict());
  if (!model->batch_norm_layers().empty()) {
    Must(methods::RecomputeStatistics(*model, examiner.target_sample(), at::kCPU, stop));
    judge(selection::Form::kSourceStatistics, 0);
    Must(model->LoadStateDict(original));
  }
  const methods::ExtraInputs no_inputs;
  const methods::MethodContext context = {
      *model,
      world.sources,
      world.target[0],
      at::kCPU,
      methods::Settings(
          methods::ShareOfPlan(entry.spec, world.sources, world.target[0], options.share)),
      no_inputs,
      world.held_out};
  run.witnesses = Must(methods::AskTableTeacher(context, examiner, stop));
  run.witnesses.record = run.record;
  std::unique_ptr<train::Task> task = Must(entry.make_task(context));
  train::TrainerOptions trainer_options;
  trainer_options.seed = ParseSeed(seed);
  const std::vector<data::Dataset> none;
  train::Trainer trainer(*task, *model, takes_source ? world.sources : none, world.target[0],
                         trainer_options, {});
  constexpr int64_t kMoments = 6;
  for (int64_t i = 1; i <= kMoments; ++i) {
    const int64_t step = task->plan().total_steps * i / kMoments;
    Must(trainer.RunTo(step, stop));
    const train::Bookmark bookmark(*model, *task, at::kCPU);
    Must(task->Preview(examiner.target_sample(), stop));
    judge(selection::Form::kAdapted, step);
    Must(bookmark.Return());
  }
  return run;
}

std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<double> ranks(values.size(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) {
    for (const double other : values) {
      ranks[i] += values[i] > other ? 1.0 : values[i] == other ? 0.5 : 0.0;
    }
  }
  return ranks;
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = MeanAndSpread(a).mean, mean_b = MeanAndSpread(b).mean;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0.0;
}

struct Quality {
  std::vector<double> correlations, regrets;
};

struct GuardCount {
  int runs = 0, worse = 0, kept_source = 0, needlessly = 0;  // by (task, seed, method)
  int estimates = 0, near = 0, inside = 0;
};

struct Summary {
  std::map<std::string, Quality> by_score;
  std::map<std::string, GuardCount> guards;  // by the rule that is left out; empty: none
};

void Compare(const std::vector<Judged>& all, const std::string& name,
             const std::vector<double>& scores, Summary& summary) {
  std::vector<double> accuracies;
  accuracies.reserve(all.size());
  for (const Judged& judged : all) accuracies.push_back(judged.accuracy);
  for (const double score : scores) {
    if (!std::isfinite(score)) return;
  }
  const size_t chosen = std::max_element(scores.begin(), scores.end()) - scores.begin();
  Quality& quality = summary.by_score[name];
  quality.correlations.push_back(Correlation(Ranks(scores), Ranks(accuracies)));
  quality.regrets.push_back(*std::max_element(accuracies.begin(), accuracies.end()) -
                            accuracies[chosen]);
}

std::vector<Candidate> CandidatesOf(const std::vector<Judged>& judged) {
  std::vector<Candidate> candidates;
  candidates.reserve(judged.size());
  for (const Judged& one : judged) candidates.push_back(one.candidate);
  return candidates;
}

void CompareAll(const std::vector<Judged>& all, Summary& summary) {
  const std::vector<Candidate> candidates = CandidatesOf(all);
  for (const selection::Validator& validator : selection::Validators()) {
    std::vector<double> scores;
    scores.reserve(candidates.size());
    for (const Candidate& candidate : candidates) scores.push_back(candidate.score(validator.name));
    Compare(all, validator.name, scores, summary);
  }
  Compare(all, "ensemble_agreement", selection::EnsembleAgreement(candidates), summary);
  std::vector<double> estimates;
  estimates.reserve(candidates.size());
  for (const Candidate& candidate : candidates) estimates.push_back(candidate.estimate.value);
  Compare(all, "estimate", estimates, summary);
  Compare(all, "ENSEMBLE", selection::EnsembleScores(candidates), summary);
}

void TryGuard(const std::vector<Judged>& run, const selection::Witnesses& witnesses,
              Summary& summary) {
  const selection::Choice choice = selection::Choose(CandidatesOf(run), witnesses, false, true);
  const auto count = [&](const std::string& without) {
    bool held = true;
    for (const selection::Verdict& verdict : choice.verdicts) {
      held = held && (verdict.holds || verdict.rule == without);
    }
    const double source = run[0].accuracy;
    const double returned = run[held ? choice.adapted : choice.source].accuracy;
    GuardCount& guard = summary.guards[without];
    ++guard.runs;
    if (returned < source - 0.01) ++guard.worse;
    if (!held) ++guard.kept_source;
    if (!held && run[choice.adapted].accuracy > run[choice.source].accuracy + 0.01) {
      ++guard.needlessly;
    }
    for (const size_t i : {size_t{0}, held ? choice.adapted : choice.source}) {
      const selection::AccuracyEstimate& estimate = run[i].candidate.estimate;
      ++guard.estimates;
      if (std::abs(estimate.value - run[i].accuracy) <= 0.05) ++guard.near;
      if (estimate.low <= run[i].accuracy && run[i].accuracy <= estimate.high) ++guard.inside;
    }
  };
  count("");
  for (const selection::GuardRule& rule : selection::GuardRules()) count(rule.name);
}

void Print(const std::string& without, const GuardCount& count) {
  std::printf(
      "guard%s%s: %d runs, %d returned worse than the source by more than a point, %d kept the "
      "source, %d of them needlessly; estimates within 5 points: %d of %d, intervals that hold: "
      "%d\n",
      without.empty() ? "" : " without ", without.c_str(), count.runs, count.worse,
      count.kept_source, count.needlessly, count.near, count.estimates, count.inside);
}

void Print(const Summary& summary) {
  std::printf("%-22s %12s %10s %10s\n", "score", "rank corr.", "regret", "worst");
  for (const auto& [name, quality] : summary.by_score) {
    std::printf("%-22s %12.3f %9.2f%% %9.2f%%\n", name.c_str(),
                MeanAndSpread(quality.correlations).mean, 100 * MeanAndSpread(quality.regrets).mean,
                100 * *std::max_element(quality.regrets.begin(), quality.regrets.end()));
  }
  for (const auto& [without, count] : summary.guards) Print(without, count);
}

}  // namespace

int main(int argc, char** argv) {
  runtime::ReexecWithRightBlas(argv);
  runtime::ConfigureThreads(1);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = ParseOptions(argc, argv);
  Summary summary;
  json document = json::array();
  for (const std::string& task : options.tasks) {
    for (const std::string& seed : options.seeds) {
      const World world = MakeWorld(options, task, seed);
      std::vector<Judged> with_source, source_free;
      const auto add = [&](const std::string& method, const std::vector<Judged>& run,
                           const selection::Witnesses& witnesses, std::vector<Judged>& all) {
        if (run.empty()) return;
        TryGuard(run, witnesses, summary);
        all.insert(all.end(), run.begin(), run.end());
        for (const Judged& judged : run) {
          json row = selection::ToJson(judged.candidate);
          row.update({{"task", task},
                      {"seed", seed},
                      {"method", method},
                      {"source_free", &all == &source_free},
                      {"accuracy", judged.accuracy}});
          document.push_back(std::move(row));
          std::printf("%s seed %s %s%s %s: accuracy %.4f, estimate %.4f\n", task.c_str(),
                      seed.c_str(), method.c_str(), &all == &source_free ? " source-free" : "",
                      judged.candidate.Name().c_str(), judged.accuracy,
                      judged.candidate.estimate.value);
        }
      };
      for (const std::string& method : options.methods) {
        const MethodRun run = RunMethod(options, world, method, seed);
        if (!options.dump.empty()) {
          bench::WriteTensors(
              absl::StrCat(options.dump, "/", task, "-", seed, "-", method, ".safetensors"),
              run.dumped);
        }
        add(method, run.with_source, run.witnesses, with_source);
        selection::Witnesses record_alone;
        record_alone.record = run.record;
        add(method, run.source_free, record_alone, source_free);
        bench::WriteJson(options.json_file, document, /*indent=*/-1);
      }
      if (!with_source.empty()) CompareAll(with_source, summary);
      if (!source_free.empty()) CompareAll(source_free, summary);
    }
  }
  Print(summary);
  return 0;
}
