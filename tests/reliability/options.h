// What a run of the harness was asked for: its size, and the seed of its random choices.
#ifndef ACCLIMATE_TESTS_RELIABILITY_OPTIONS_H_
#define ACCLIMATE_TESTS_RELIABILITY_OPTIONS_H_

#include <cstdint>
#include <random>
#include <string>

namespace acclimate::reliability {

struct Options {
  // The long form also holds the machine to the limits of time, which a busy one may miss.
  bool long_form = false;
  int64_t count = 0;  // instead of the form's own; 0: not given
  uint64_t seed = 0;
};

const Options& RunOptions();
// Reads --long, --count=N and --seed=N, and prints the seed, drawn where none was given. Exits with
// 2 for anything else.
void ReadOptions(int argc, char** argv);

// How often a test does what it does.
int64_t Count(int64_t short_form, int64_t long_form);
// A generator for each `purpose`, the same for the same seed.
std::mt19937_64 RandomFor(const std::string& purpose);
// Evenly from 0 to `last`.
int64_t Draw(std::mt19937_64& random, int64_t last);
// A line of the run's report: "name: figure".
void Report(const std::string& name, const std::string& figure);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_OPTIONS_H_
