// The adaptation tasks that accuracy is measured on: which published data are source and target,
// and how a source model is trained. Files that have to be made (channels repeated, sparse rows
// picked, images corrupted) are made once, into a folder.
#ifndef ACCLIMATE_TESTS_BENCH_ADAPTATION_TASKS_H_
#define ACCLIMATE_TESTS_BENCH_ADAPTATION_TASKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/dataset.h"

namespace acclimate::bench {

struct AdaptationTask {
  std::string name;          // "mnist_usps"
  std::string architecture;  // of the source model
  int64_t source_epochs = 0;
  std::vector<double> mean, std;
  std::string source, target, evaluation;  // paths; the target's labels, if any, are never read
  std::vector<std::string> domains;        // that `source` is made of; mostly it alone
  std::string labelled;  // others of the target's domain, with labels; empty: there are none
};

// "mnist_usps", ...
std::vector<std::string> AdaptationTaskNames();

// The task with its files, from data sets under `data` (../shared/data of the repository); made
// files go to `work`. Ends the process with a message when a data set is absent.
AdaptationTask PrepareTask(const std::string& name, const std::string& data,
                           const std::string& work);

// A dataset of the task, normalised as the task says.
data::Dataset LoadDomain(const std::string& path, const AdaptationTask& task);

// The source with a share held out as a job holds it out, one dataset each.
struct SplitSource {
  std::vector<data::Dataset> sources, held_out;
};
SplitSource HoldOut(const data::Dataset& source);

// The path of the task's architecture trained on its source, kept in `folder` and used again.
std::string SourceModel(const AdaptationTask& task, const std::string& seed,
                        const std::string& folder);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_ADAPTATION_TASKS_H_
