// Named places at which a server can be killed: before and after each kind of call that changes a
// file of its data folder.
#ifndef ACCLIMATE_TESTS_RELIABILITY_FAILPOINTS_H_
#define ACCLIMATE_TESTS_RELIABILITY_FAILPOINTS_H_

#include <string>
#include <vector>

#include "tests/reliability/fault_plan.h"

namespace acclimate::reliability {

struct Failpoint {
  const char* what;  // "the write of the job store's log"
  FileCall call;
  // The end of the file's path, or a folder in it that ends in '/'; the new path where it is
  // renamed.
  const char* path;
  bool after;

  std::string name() const { return std::string(after ? "after " : "before ") + what; }
};

// All that a server reaches while clients upload, pin, create and delete. A new kind of file is one
// row more in failpoints.cc.
std::vector<Failpoint> Failpoints();

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_FAILPOINTS_H_
