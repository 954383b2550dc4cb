// Shows transfers and a job's progress on stderr: one line that moves on a terminal, plain lines
// elsewhere.
#ifndef ACCLIMATE_CLIENT_CLI_PROGRESS_VIEW_H_
#define ACCLIMATE_CLIENT_CLI_PROGRESS_VIEW_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::cli {

// Not thread-safe.
class ProgressView {
 public:
  ProgressView();
  ~ProgressView();
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;

  // verb: "uploading" or "downloading".
  void ShowTransfer(const std::string& verb, const std::string& path, int64_t done, int64_t total);
  void ShowEvent(const v1::JobEvent& event);
  // A line that stays.
  void Note(const std::string& line);

 private:
  void ShowProgress(const v1::Progress& progress, absl::Time time);
  // Replaces the moving line; where there is none, prints at most one line every few seconds
  // unless `important`.
  void Show(const std::string& line, bool important);
  void EndMovingLine();

  const bool terminal_;
  bool moving_ = false;
  absl::Time last_line_ = absl::InfinitePast();
  std::string phase_;
  // Where the current stretch of training began, for the mean speed.
  int64_t first_samples_ = 0;
  absl::Time first_time_ = absl::InfinitePast();
  std::string transfer_;
  absl::Time transfer_start_ = absl::InfinitePast();
};

// "training  [=====>    ] 52% step 520/1000  loss 0.314  9,120 samples/s  0:41 left"; without the
// bar when `bar` is false. A speed of 0 is left out.
std::string ProgressLine(const v1::Progress& progress, double samples_per_second, bool bar);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_PROGRESS_VIEW_H_
