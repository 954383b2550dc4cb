#include "client/cli/progress_view.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

constexpr absl::Duration kRedrawInterval = absl::Milliseconds(100);
constexpr absl::Duration kPlainInterval = absl::Seconds(5);
constexpr int kBarWidth = 20;

std::string Bar(double fraction) {
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kBarWidth);
  std::string bar(full, '=');
  if (full < kBarWidth) bar += '>';
  bar.resize(kBarWidth, ' ');
  return absl::StrCat("[", bar, "]");
}

std::string ClockText(double seconds) {
  const int64_t whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

absl::Time EventTime(const v1::JobEvent& event) {
  return absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
}

}  // namespace

std::string ProgressLine(const v1::Progress& progress, double samples_per_second, bool bar) {
  std::string line = progress.phase();
  if (progress.total_steps() > 0) {
    const double fraction = static_cast<double>(progress.step()) / progress.total_steps();
    if (bar) absl::StrAppend(&line, " ", Bar(fraction));
    absl::StrAppendFormat(&line, " %3.0f%%  step %d/%d", 100 * fraction, progress.step(),
                          progress.total_steps());
  }
  for (const char* name : {"loss", "source_accuracy", "accuracy"}) {
    auto metric = progress.metrics().find(name);
    if (metric != progress.metrics().end()) {
      absl::StrAppendFormat(&line, "  %s %.4g", name, metric->second);
    }
  }
  if (samples_per_second > 0) absl::StrAppendFormat(&line, "  %.0f samples/s", samples_per_second);
  const int64_t steps_left = progress.total_steps() - progress.step();
  if (steps_left > 0 && progress.step_seconds() > 0) {
    absl::StrAppend(&line, "  ", ClockText(steps_left * progress.step_seconds()), " left");
  }
  return line;
}

ProgressView::ProgressView() : terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressView::~ProgressView() { EndMovingLine(); }

void ProgressView::ShowTransfer(const std::string& verb, const std::string& path, int64_t done,
                                int64_t total) {
  if (transfer_ != path) {
    transfer_ = path;
    transfer_start_ = absl::Now();
  }
  std::string line = absl::StrFormat("%s %s  %.0f%% of %s", verb, client::LastSegment(path),
                                     total > 0 ? 100.0 * done / total : 100.0, ByteText(total));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - transfer_start_);
  if (seconds > 0.5) absl::StrAppend(&line, "  ", ByteText(done / seconds), "/s");
  Show(line, done == total);
  if (done == total) {
    EndMovingLine();
    transfer_.clear();
  }
}

void ProgressView::ShowEvent(const v1::JobEvent& event) {
  switch (event.kind_case()) {
    case v1::JobEvent::kState:
      Note(absl::StrCat(client::StateName(event.state().to()),
                        event.state().reason().empty() ? "" : ": ", event.state().reason()));
      break;
    case v1::JobEvent::kProgress:
      ShowProgress(event.progress(), EventTime(event));
      break;
    case v1::JobEvent::kWarning:
      Note("warning: " + event.warning());
      break;
    case v1::JobEvent::kDropped:
      Note(absl::StrCat("metric points ", event.dropped().first_cursor(), " to ",
                        event.dropped().last_cursor(), " were left out: this client is slow"));
      break;
    case v1::JobEvent::kCheckpoint:
    case v1::JobEvent::kResult:
    case v1::JobEvent::KIND_NOT_SET:
      break;
  }
}

void ProgressView::ShowProgress(const v1::Progress& progress, absl::Time time) {
  const bool new_phase = progress.phase() != phase_;
  if (new_phase || progress.samples() < first_samples_) {
    phase_ = progress.phase();
    first_samples_ = progress.samples();
    first_time_ = time;
  }
  const double seconds = absl::ToDoubleSeconds(time - first_time_);
  const double speed = seconds > 0 ? (progress.samples() - first_samples_) / seconds : 0;
  const bool last = progress.total_steps() > 0 && progress.step() == progress.total_steps();
  Show(ProgressLine(progress, speed, terminal_), new_phase || last);
}

void ProgressView::Show(const std::string& line, bool important) {
  const absl::Time now = absl::Now();
  if (!important && now - last_line_ < (terminal_ ? kRedrawInterval : kPlainInterval)) return;
  last_line_ = now;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    moving_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void ProgressView::Note(const std::string& line) {
  EndMovingLine();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void ProgressView::EndMovingLine() {
  if (moving_) std::fputc('\n', stderr);
  moving_ = false;
}

}  // namespace acclimate::cli
