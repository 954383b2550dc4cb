#include "server/ui/curve.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace acclimate::ui {
namespace {

// Up to here all events are read, beyond it a few at evenly spaced places.
constexpr int64_t kMostEventsRead = 1000;
constexpr int64_t kPlaces = 250;
// More than one: not every event is a progress point.
constexpr int kEventsAtAPlace = 3;
// A history begins with changes of state, and phases that measure nothing.
constexpr int kEventsAtTheBegin = 20;

void AddPoints(const v1::JobEvent& event, Curve& curve) {
  for (const auto& [name, value] : event.progress().metrics()) {
    if (!std::isfinite(value)) continue;
    const bool known = curve.series.count(name) > 0;
    if (!known && curve.series.size() >= kMaxCurveSeries) continue;
    std::vector<CurvePoint>& points = curve.series[name];
    if (points.empty() || points.back().value != value) {
      points.push_back({event.progress().step(), value});
    }
  }
}

// Evenly, with the first and the last point.
void Thin(std::vector<CurvePoint>& points) {
  const size_t size = points.size(), most = kMaxCurvePoints;
  if (size <= most) return;
  for (size_t i = 0; i < most; ++i) points[i] = points[i * (size - 1) / (most - 1)];
  points.resize(most);
}

}  // namespace

absl::StatusOr<Curve> ReadCurve(jobs::JobStore& store, const v1::Job& job, int64_t after) {
  Curve curve;
  curve.attempt = job.attempts_size();
  curve.cursor = std::max(after, job.last_cursor());
  const int64_t events = job.last_cursor() - after;
  const bool all = events <= kMostEventsRead;
  const int64_t places = all ? 1 : kPlaces;
  for (int64_t place = 0; place < places && events > 0; ++place) {
    // The last place ends with the newest event.
    const int64_t from = all ? after : after + (events - kEventsAtAPlace) * place / (places - 1);
    const int limit = all          ? static_cast<int>(events)
                      : place == 0 ? kEventsAtTheBegin
                                   : kEventsAtAPlace;
    auto read = store.Events(job.name(), {.after = from, .limit = limit});
    if (!read.ok()) return read.status();
    for (const v1::JobEvent& event : *read) {
      if (event.has_progress() && event.attempt() == curve.attempt) AddPoints(event, curve);
    }
  }
  for (auto& [name, points] : curve.series) Thin(points);
  return curve;
}

}  // namespace acclimate::ui
