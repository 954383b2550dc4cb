// Adaptation tasks made from the open data by corruption: one half of a data set is the source, the
// other half, changed in one named way, the target. Some targets are nonsense for the model (noise,
// one sample again and again, letters for a model of digits): their labels are drawn at random, so
// that no model is right on more of them than by chance.
#ifndef ACCLIMATE_TESTS_BENCH_CORRUPTED_TASKS_H_
#define ACCLIMATE_TESTS_BENCH_CORRUPTED_TASKS_H_

#include <string>
#include <vector>

#include "tests/bench/adaptation_tasks.h"

namespace acclimate::bench {

// "digits_blur", "sensors_scaled", ...: the part before the underscore is the data set.
std::vector<std::string> CorruptedTaskNames();

// As PrepareTask(). Tasks of one data set share their source, and so may share its model.
AdaptationTask PrepareCorruptedTask(const std::string& name, const std::string& data,
                                    const std::string& work);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_CORRUPTED_TASKS_H_
