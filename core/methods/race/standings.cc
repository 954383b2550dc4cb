#include "core/methods/race/standings.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/selection/choice.h"

namespace acclimate::methods {
namespace {

constexpr char kHead[] = "head";  // double [2]: racer, score

std::string Prefix(size_t round, size_t place) {
  return absl::StrFormat("%03d/%03d/", round, place);
}

}  // namespace

std::vector<Standing> Judge(const std::vector<selection::Candidate>& source_forms,
                            const std::vector<Contender>& contenders) {
  std::vector<selection::Candidate> all = source_forms;
  for (const Contender& contender : contenders) {
    if (contender.seen != nullptr) all.push_back(*contender.seen);
  }
  const std::vector<double> scores = selection::EnsembleScores(all);
  std::vector<Standing> standings;
  size_t place = source_forms.size();
  for (const Contender& contender : contenders) {
    if (contender.seen == nullptr) {
      standings.push_back({contender.racer, selection::kCannotWin, absl::nullopt});
      continue;
    }
    standings.push_back({contender.racer, scores[place], *contender.seen});
    ++place;
  }
  std::stable_sort(standings.begin(), standings.end(), [](const Standing& a, const Standing& b) {
    if (a.seen.has_value() != b.seen.has_value()) return a.seen.has_value();
    return a.score > b.score;
  });
  return standings;
}

bool CanTeach(const Standing& standing) {
  return standing.seen && standing.score != selection::kCannotWin;
}

at::Tensor LeadersSay(const std::vector<Standing>& standings, int64_t most) {
  at::Tensor sum;
  for (size_t place = 0; place < standings.size(); ++place) {
    if (static_cast<int64_t>(place) == most || !CanTeach(standings[place])) break;
    const at::Tensor probabilities = standings[place].seen->probabilities.to(at::kFloat);
    sum = sum.defined() ? sum.add_(probabilities) : probabilities;
  }
  return sum.defined() ? sum.argmax(1) : sum;
}

nlohmann::json ToJson(const std::vector<Standing>& standings, const std::vector<std::string>& names,
                      const std::vector<bool>& unfit, int64_t going_on) {
  nlohmann::json racers = nlohmann::json::array();
  for (size_t place = 0; place < standings.size(); ++place) {
    const Standing& standing = standings[place];
    if (unfit[standing.racer]) continue;
    const bool ran = standing.seen.has_value();
    nlohmann::json racer = {
        {"method", names[standing.racer]},
        {"failed", !ran},
        {"goes_on", static_cast<int64_t>(place) < going_on && CanTeach(standing)}};
    if (ran) {
      if (standing.score != selection::kCannotWin) racer["ensemble"] = standing.score;
      racer["best"] = selection::ToJson(*standing.seen);
    }
    racers.push_back(std::move(racer));
  }
  return racers;
}

train::TensorMap ToTensors(const std::vector<std::vector<Standing>>& rounds) {
  train::TrainingState state;
  for (size_t round = 0; round < rounds.size(); ++round) {
    for (size_t place = 0; place < rounds[round].size(); ++place) {
      const Standing& standing = rounds[round][place];
      const std::string prefix = Prefix(round, place);
      state.tensors[absl::StrCat(prefix, kHead)] =
          at::tensor({static_cast<double>(standing.racer), standing.score}, at::kDouble);
      if (standing.seen) state.Add(prefix, selection::ToTensors(*standing.seen));
    }
  }
  return state.tensors;
}

absl::StatusOr<std::vector<std::vector<Standing>>> StandingsFrom(const train::TensorMap& tensors) {
  const train::TrainingState state{tensors, {}};
  std::vector<std::vector<Standing>> rounds;
  while (true) {
    std::vector<Standing> round;
    while (true) {
      train::TensorMap part = state.Part(Prefix(rounds.size(), round.size()));
      const auto head = part.find(kHead);
      if (head == part.end()) break;
      if (head->second.numel() != 2) {
        return absl::InvalidArgumentError("training state: a standing is misshapen");
      }
      Standing standing{static_cast<size_t>(head->second[0].item<double>()),
                        head->second[1].item<double>(), absl::nullopt};
      part.erase(head);
      if (!part.empty()) {
        absl::StatusOr<selection::Candidate> seen = selection::CandidateFrom(part);
        if (!seen.ok()) return seen.status();
        standing.seen = *std::move(seen);
      }
      round.push_back(std::move(standing));
    }
    if (round.empty()) return rounds;
    rounds.push_back(std::move(round));
  }
}

}  // namespace acclimate::methods
