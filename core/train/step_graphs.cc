#include "core/train/step_graphs.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#if __has_include(<ATen/core/GraphImplInterface.h>)
#include <ATen/core/GraphImplInterface.h>
#endif

namespace acclimate::train {
namespace {

constexpr int64_t kCallsBeforeRecording = 10;

#if __has_include(<ATen/core/GraphImplInterface.h>)
using Graph = at::GraphImplInterface;

bool CanRecord(const at::Device& device) { return at::has_graph_impl(device.type()); }
std::unique_ptr<Graph> NewGraph(const at::Device& device) {
  return at::create_graph_impl(device.type());
}
#else
// LibTorch 1.13 has no graphs that do not need CUDA's headers.
struct Graph {
  void capture_begin() {}
  void capture_end() {}
  void replay() {}
};

bool CanRecord(const at::Device&) { return false; }
std::unique_ptr<Graph> NewGraph(const at::Device&) { return std::make_unique<Graph>(); }
#endif

// Those on the device that change from step to step.
std::vector<at::Tensor*> Tensors(StepDraw& draw) {
  return {&draw.input.source.inputs, &draw.input.source.labels, &draw.input.target.inputs,
          &draw.input.target.labels, &draw.unseen_labels};
}

std::string Shapes(int kind, StepDraw& draw) {
  std::string shapes = absl::StrCat(kind, ":", absl::StrJoin(draw.input.source_counts, ","));
  for (const at::Tensor* tensor : Tensors(draw)) {
    absl::StrAppend(&shapes, "|", tensor->defined() ? absl::StrJoin(tensor->sizes(), ",") : "-");
  }
  return shapes;
}

}  // namespace

struct StepGraphs::Recording {
  int64_t calls = 0;
  StepDraw buffers;
  std::unique_ptr<Graph> graph;  // null: not recorded yet
  StepResult result;             // its tensors are written by every replay
};

StepGraphs::StepGraphs(const at::Device& device) : possible_(CanRecord(device)) {}

StepGraphs::~StepGraphs() = default;

absl::StatusOr<StepResult> StepGraphs::Run(int kind, const StepDraw& given, const Call& call) {
  if (!possible_ || kind == Task::kNoKind || !refusal_.empty()) return call(given);
  StepDraw draw = given;
  std::unique_ptr<Recording>& recording = recordings_[Shapes(kind, draw)];
  if (recording == nullptr) recording = std::make_unique<Recording>();
  if (recording->calls < kCallsBeforeRecording) {
    ++recording->calls;
    return call(given);
  }
  if (recording->graph == nullptr) {
    if (absl::Status status = Record(draw, call, *recording); !status.ok()) return status;
    if (recording->graph == nullptr) return call(given);
  }
  const std::vector<at::Tensor*> from = Tensors(draw), to = Tensors(recording->buffers);
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i]->defined()) to[i]->copy_(*from[i], /*non_blocking=*/true);
  }
  recording->graph->replay();
  ++replays_;
  StepResult result = recording->result;
  if (result.metrics.values.defined()) result.metrics.values = result.metrics.values.clone();
  return result;
}

absl::Status StepGraphs::Record(const StepDraw& draw, const Call& call, Recording& recording) {
  recording.buffers = draw;
  for (at::Tensor* tensor : Tensors(recording.buffers)) {
    if (tensor->defined()) *tensor = tensor->clone();
  }
  std::unique_ptr<Graph> graph = NewGraph(draw.input.progress.device());
  try {
    graph->capture_begin();
    absl::StatusOr<StepResult> result = call(recording.buffers);
    graph->capture_end();
    if (!result.ok()) return result.status();
    recording.result = *std::move(result);
    recording.graph = std::move(graph);
  } catch (const c10::Error& error) {
    refusal_ = error.what_without_backtrace();
    try {
      graph->capture_end();
    } catch (const c10::Error&) {
      // It says again that the recording is void, and leaves the state in which it was.
    }
  }
  return absl::OkStatus();
}

}  // namespace acclimate::train
