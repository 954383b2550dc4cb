// The curves of a job: its metrics over the steps, thinned to what can be drawn.
#ifndef ACCLIMATE_SERVER_UI_CURVE_H_
#define ACCLIMATE_SERVER_UI_CURVE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "server/jobs/job_store.h"

namespace acclimate::ui {

// One call gives at most so many.
inline constexpr int kMaxCurvePoints = 250;  // of a series
inline constexpr int kMaxCurveSeries = 32;

struct CurvePoint {
  int64_t step = 0;
  double value = 0;
};

struct Curve {
  int attempt = 0;     // the last: a new attempt begins a new curve
  int64_t cursor = 0;  // of the newest event that it holds
  std::map<std::string, std::vector<CurvePoint>> series;  // by metric; where its value changed
};

// From the events of `job`, which the store has just given, behind the cursor `after`. Of a long
// history it reads a few events at evenly spaced places; since every event holds the latest values
// of all metrics, those that are rarely measured are in it too.
absl::StatusOr<Curve> ReadCurve(jobs::JobStore& store, const v1::Job& job, int64_t after);

}  // namespace acclimate::ui

#endif  // ACCLIMATE_SERVER_UI_CURVE_H_
