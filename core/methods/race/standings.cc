#include "core/methods/race/standings.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"

namespace acclimate::methods {

using selection::Candidate;

std::vector<Standing> Judge(const std::vector<Contender>& contenders) {
  std::vector<Candidate> all;
  std::vector<size_t> places;  // of the contender; of a form of the source, none
  std::vector<Standing> standings;
  bool has_source = false;
  for (const Contender& contender : contenders) {
    standings.push_back({contender.racer, kFailedScore, {}});
    standings.back().best.scores.assign(selection::ValidatorNames().size(), std::nan(""));
    if (contender.candidates == nullptr) continue;
    for (const Candidate& candidate : *contender.candidates) {
      // The source is the same for every racer: it takes part once.
      const bool source = candidate.form != selection::Form::kAdapted;
      if (source && has_source) continue;
      all.push_back(candidate);
      places.push_back(source ? contenders.size() : standings.size() - 1);
    }
    has_source = true;
  }
  const std::vector<double> scores = selection::EnsembleScores(all);
  for (size_t i = 0; i < all.size(); ++i) {
    if (places[i] == contenders.size()) continue;
    Standing& standing = standings[places[i]];
    if (scores[i] < standing.score) continue;
    standing.score = scores[i];
    standing.best = all[i];
  }
  std::stable_sort(standings.begin(), standings.end(),
                   [](const Standing& a, const Standing& b) { return a.score > b.score; });
  return standings;
}

train::TensorMap ToTensors(const std::vector<std::vector<Standing>>& rounds) {
  train::TensorMap tensors;
  for (size_t round = 0; round < rounds.size(); ++round) {
    for (size_t place = 0; place < rounds[round].size(); ++place) {
      const Standing& standing = rounds[round][place];
      const at::Tensor head =
          at::tensor({static_cast<double>(standing.racer), standing.score}, at::kDouble);
      tensors[absl::StrFormat("%03d/%03d", round, place)] =
          at::cat({head, selection::ToTensor(standing.best)});
    }
  }
  return tensors;
}

absl::StatusOr<std::vector<std::vector<Standing>>> StandingsFrom(const train::TensorMap& tensors) {
  std::vector<std::vector<Standing>> rounds;
  std::string round;
  for (const auto& [name, tensor] : tensors) {
    absl::StatusOr<Candidate> best = selection::CandidateFrom(tensor.slice(0, 2));
    if (!best.ok()) return best.status();
    if (rounds.empty() || name.substr(0, 3) != round) rounds.emplace_back();
    round = name.substr(0, 3);
    rounds.back().push_back({static_cast<size_t>(tensor[0].item<double>()),
                             tensor[1].item<double>(), *std::move(best)});
  }
  return rounds;
}

}  // namespace acclimate::methods
