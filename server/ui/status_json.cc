#include "server/ui/status_json.h"

#include "nlohmann/json.hpp"
#include "server/jobs/state_machine.h"

namespace acclimate::ui {
namespace {

using nlohmann::json;

json ToJsonValue(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }
json ToJsonValue(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }
json ToJsonValue(int64_t number) { return number; }

json ToJsonValue(const FailureView& failure) {
  return {{"code", failure.code},
          {"reason", failure.reason},
          {"message", failure.message},
          {"cause", failure.cause},
          {"last_phase", failure.last_phase},
          {"stderr_tail", failure.stderr_tail},
          {"signal", failure.signal},
          {"exit_code", failure.exit_code}};
}

template <typename T>
json OrNull(const std::optional<T>& value) {
  return value ? ToJsonValue(*value) : json();
}

json ToJsonValue(const v1::Progress& progress) {
  return {{"phase", progress.phase()},
          {"step", progress.step()},
          {"total_steps", progress.total_steps()},
          {"epoch", progress.epoch()},
          {"total_epochs", progress.total_epochs()},
          {"samples", progress.samples()},
          {"step_seconds", progress.step_seconds()},
          {"metrics",
           std::map<std::string, double>(progress.metrics().begin(), progress.metrics().end())}};
}

json ToJsonValue(const JobView& job) {
  return {{"name", job.name},
          {"tenant", job.tenant},
          {"id", job.id},
          {"state", job.state},
          {"method", job.method},
          {"target", job.target},
          {"labels", job.labels},
          {"priority", job.priority},
          {"attempts", job.attempts},
          {"node", job.node},
          {"created", ToJsonValue(job.created)},
          {"changed", ToJsonValue(job.changed)},
          {"started", OrNull(job.started)},
          {"ended", OrNull(job.ended)},
          {"attempt_started", OrNull(job.attempt_started)},
          {"progress", ToJsonValue(job.progress)},
          {"remaining_seconds", OrNull(job.remaining)},
          {"last_cursor", job.last_cursor},
          {"result_metrics", job.result_metrics},
          {"warnings", job.warnings},
          {"has_report", job.has_report},
          {"failure", OrNull(job.failure)}};
}

json ToJsonValue(const std::vector<JobView>& jobs) {
  json list = json::array();
  for (const JobView& job : jobs) list.push_back(ToJsonValue(job));
  return list;
}

json ToJsonValue(const node::NodeInfo& node) {
  return {{"name", node.name},
          {"slots", node.slots},
          {"busy_slots", node.busy_slots},
          {"warm_workers", node.warm_workers},
          {"device", node.device},
          {"libtorch_version", node.libtorch_version},
          {"sandbox", node.sandbox},
          {"worker_start_error", node.worker_start_error}};
}

// Texts of workers and clients may hold bytes that are no UTF-8.
std::string Dump(const json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

}  // namespace

std::string ToJson(const StatusView& view) {
  json counts = json::object(), nodes = json::array();
  for (const auto& [state, count] : view.counts) {
    counts[std::string(jobs::ShortName(state))] = count;
  }
  for (const node::NodeInfo& node : view.nodes) nodes.push_back(ToJsonValue(node));
  return Dump({{"time", ToJsonValue(view.time)},
               {"subject", view.subject},
               {"server",
                {{"version", view.server.version},
                 {"start_time", ToJsonValue(view.server.start_time)},
                 {"disk_free_bytes", OrNull(view.server.disk_free_bytes)},
                 {"disk_size_bytes", OrNull(view.server.disk_size_bytes)}}},
               {"nodes", nodes},
               {"counts", counts},
               {"oldest_queued", OrNull(view.oldest_queued)},
               {"queued", ToJsonValue(view.queued)},
               {"active", ToJsonValue(view.active)},
               {"failed", ToJsonValue(view.failed)},
               {"ended", ToJsonValue(view.ended)}});
}

std::string ToJson(const Curve& curve) {
  json series = json::object();
  for (const auto& [name, points] : curve.series) {
    json& list = series[name] = json::array();
    for (const CurvePoint& point : points) list.push_back({point.step, point.value});
  }
  return Dump({{"attempt", curve.attempt}, {"cursor", curve.cursor}, {"series", series}});
}

}  // namespace acclimate::ui
