#include "core/methods/race/race.h"

namespace acclimate::methods {

std::vector<Round> RaceRounds(int64_t racers) {
  if (racers <= kFinalists) return {{racers, 0, kSlices}};
  return {{racers, 0, kSlices / 2}, {kFinalists, kSlices / 2, kSlices}};
}

int64_t RaceSteps(const std::vector<Round>& rounds) {
  int64_t steps = 0;
  for (const Round& round : rounds) steps += round.racers * (round.end - round.begin);
  return steps;
}

RacePlace PlaceOf(const std::vector<Round>& rounds, int64_t step) {
  RacePlace place;
  for (const Round& round : rounds) {
    const int64_t slices = round.end - round.begin;
    if (step < round.racers * slices) {
      place.racer = static_cast<size_t>(step / slices);
      place.slice = round.begin + step % slices + 1;
      place.round_ends = place.slice == round.end;
      return place;
    }
    step -= round.racers * slices;
    ++place.round;
  }
  return place;
}

int64_t StepsAfter(int64_t slice, int64_t total_steps) {
  return (total_steps * slice + kSlices - 1) / kSlices;
}

}  // namespace acclimate::methods
