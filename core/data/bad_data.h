// The error for a dataset that cannot be read.
#ifndef ACCLIMATE_CORE_DATA_BAD_DATA_H_
#define ACCLIMATE_CORE_DATA_BAD_DATA_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace acclimate::data {

// INVALID_ARGUMENT "name: what...".
template <typename... Parts>
absl::Status BadData(const std::string& name, const Parts&... what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", what...));
}

// Everything that is wrong with one file, or with several, so that their owner mends it at once.
class Problems {
 public:
  Problems() = default;
  // Of this file: its name is said once.
  explicit Problems(std::string name) : prefix_(absl::StrCat(std::move(name), ": ")) {}

  // Does nothing with OK. A code other than INVALID_ARGUMENT is kept alone: it is no fault of the
  // file.
  void Add(const absl::Status& status) {
    if (status.ok()) return;
    if (status_.ok() || !absl::IsInvalidArgument(status)) {
      status_ = status;
    } else if (absl::IsInvalidArgument(status_)) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat(status_.message(), "; ", absl::StripPrefix(status.message(), prefix_)));
    }
  }
  const absl::Status& status() const { return status_; }

 private:
  const std::string prefix_;
  absl::Status status_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_BAD_DATA_H_
