#include "server/jobs/progress_buffer.h"

#include <utility>

namespace acclimate::jobs {
namespace {

// More phases than this in one interval lose the oldest.
constexpr size_t kMaxPoints = 16;

}  // namespace

bool ProgressBuffer::Add(const v1::Progress& point) {
  const bool new_phase = point.phase() != phase_;
  const bool first_step = point.step() > 0 && !stepped_;
  phase_ = point.phase();
  stepped_ |= first_step;
  if ((new_phase || first_step) && prompt_left_ > 0) {
    prompt_ = true;
    --prompt_left_;
  }
  if (!points_.empty() && points_.back().phase() == point.phase()) {
    points_.back() = point;
  } else {
    if (points_.size() == kMaxPoints) points_.pop_front();
    points_.push_back(point);
  }
  return new_phase;
}

std::deque<v1::Progress> ProgressBuffer::Take(Instant now) {
  last_taken_ = now;
  prompt_ = false;
  return std::exchange(points_, {});
}

Instant ProgressBuffer::FlushAt(absl::Duration interval) const {
  if (points_.empty()) return Instant::Never();
  return prompt_ ? Instant::Always() : last_taken_ + interval;
}

}  // namespace acclimate::jobs
