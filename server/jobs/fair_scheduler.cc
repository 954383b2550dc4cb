#include "server/jobs/fair_scheduler.h"

#include <algorithm>
#include <utility>

namespace acclimate::jobs {
namespace {

// Of the newest attempt in a tenant's mean.
constexpr double kNewest = 0.25;
// Virtual times that differ by no more may be the same, but for rounding.
constexpr double kRounding = 1e-6;

double Charge(double charged_seconds, absl::Duration lasted) {
  return std::max(charged_seconds, absl::ToDoubleSeconds(lasted));
}

}  // namespace

bool FairScheduler::AtLimit(const Tenant& tenant) {
  return tenant.policy.max_running > 0 && tenant.running >= tenant.policy.max_running;
}

FairScheduler::Rank FairScheduler::RankOf(const QueuedJob& job) {
  return {job.created - job.priority * options_.priority_age, ++arrivals_};
}

void FairScheduler::Add(QueuedJob job) {
  if (places_.contains(job.name) || running_.contains(job.name)) return;
  const auto [it, is_new] = tenants_.try_emplace(job.tenant);
  Tenant& tenant = it->second;
  if (is_new) tenant.policy = options_.policy_of(job.tenant);
  if (tenant.queue.empty() && tenant.running == 0) {
    tenant.ended = std::max(tenant.ended, virtual_time_);
  }
  const Rank rank = RankOf(job);
  places_[job.name] = {job.tenant, rank};
  tenant.queue.emplace(rank, Waiting{std::move(job), std::nullopt});
}

void FairScheduler::Remove(const std::string& name) {
  const auto place = places_.find(name);
  if (place == places_.end()) return;
  tenants_.at(place->second.tenant).queue.erase(place->second.rank);
  places_.erase(place);
}

double FairScheduler::VirtualTime(const std::string& name, const Tenant& tenant,
                                  absl::Duration now) const {
  double seconds = 0;
  if (tenant.running > 0) {
    for (const auto& [job, running] : running_) {
      if (running.job.tenant == name) {
        seconds += Charge(running.charged_seconds, now - running.leased);
      }
    }
  }
  return tenant.ended + seconds / tenant.policy.weight;
}

std::vector<FairScheduler::Turn> FairScheduler::Turns(absl::Duration now) const {
  std::vector<Turn> turns;
  for (const auto& [name, tenant] : tenants_) {
    if (tenant.queue.empty() || AtLimit(tenant)) continue;
    turns.emplace_back(VirtualTime(name, tenant, now), name);
  }
  std::sort(turns.begin(), turns.end());
  return turns;
}

bool FairScheduler::Fits(const QueuedJob& job, int64_t freed_bytes) const {
  const int64_t taken = reserved_bytes_ - freed_bytes;
  return options_.memory_bytes <= 0 || taken <= 0 ||
         options_.reservation_of(job) <= options_.memory_bytes - taken;
}

std::optional<QueuedJob> FairScheduler::Lease(absl::Duration now) {
  ForgetIdleTenants();
  LiftThoseAtTheirLimit(now);
  for (const Turn& turn : Turns(now)) {
    std::map<Rank, Waiting>& queue = tenants_.at(turn.second).queue;
    int looked_at = 0;
    for (auto it = queue.begin(); it != queue.end() && looked_at < kLookAhead; ++it, ++looked_at) {
      if (Fits(it->second.job, 0)) return Start(turn, it, now);
      std::optional<absl::Duration>& since = it->second.passed_over;
      if (!since.has_value()) since = now;
      if (now - *since >= options_.memory_patience) return std::nullopt;
    }
  }
  return std::nullopt;
}

QueuedJob FairScheduler::Start(const Turn& turn, std::map<Rank, Waiting>::iterator next,
                               absl::Duration now) {
  Tenant& tenant = tenants_.at(turn.second);
  virtual_time_ = std::max(virtual_time_, turn.first);
  Running running;
  running.job = std::move(next->second.job);
  running.rank = next->first;
  running.leased = running.saved = now;
  running.charged_seconds = tenant.mean_seconds;
  running.reserved_bytes = options_.reservation_of(running.job);
  reserved_bytes_ += running.reserved_bytes;
  tenant.queue.erase(next);
  ++tenant.running;
  places_.erase(running.job.name);
  return running_.emplace(running.job.name, std::move(running)).first->second.job;
}

// What a tenant does not get because of its own limit is not owed to it later.
void FairScheduler::LiftThoseAtTheirLimit(absl::Duration now) {
  for (auto& [name, tenant] : tenants_) {
    if (!AtLimit(tenant)) continue;
    tenant.ended += std::max(0.0, virtual_time_ - VirtualTime(name, tenant, now));
  }
}

// Those that would begin where they are now.
void FairScheduler::ForgetIdleTenants() {
  for (auto it = tenants_.begin(); it != tenants_.end();) {
    const Tenant& tenant = it->second;
    const bool idle = tenant.queue.empty() && tenant.running == 0;
    it = idle && tenant.ended <= virtual_time_ ? tenants_.erase(it) : std::next(it);
  }
}

void FairScheduler::Release(const std::string& name, absl::Duration now) {
  const auto found = running_.find(name);
  if (found == running_.end()) return;
  const Running& running = found->second;
  Tenant& tenant = tenants_.at(running.job.tenant);
  const double lasted = absl::ToDoubleSeconds(now - running.leased);
  tenant.ended += lasted / tenant.policy.weight;
  tenant.mean_seconds += kNewest * (lasted - tenant.mean_seconds);
  --tenant.running;
  reserved_bytes_ -= running.reserved_bytes;
  running_.erase(found);
}

void FairScheduler::PutBack(const std::string& name) {
  const auto found = running_.find(name);
  if (found == running_.end()) return;
  Running& running = found->second;
  Tenant& tenant = tenants_.at(running.job.tenant);
  --tenant.running;
  reserved_bytes_ -= running.reserved_bytes;
  places_[name] = {running.job.tenant, running.rank};
  tenant.queue.emplace(running.rank, Waiting{std::move(running.job), std::nullopt});
  running_.erase(found);
}

void FairScheduler::NoteSaved(const std::string& name, absl::Duration now) {
  if (const auto found = running_.find(name); found != running_.end()) found->second.saved = now;
}

void FairScheduler::SetLeaving(const std::string& name, bool leaving) {
  if (const auto found = running_.find(name); found != running_.end()) {
    found->second.leaving = leaving;
  }
}

bool FairScheduler::MakesRoom(const Running& running, const Turn& turn, const Rank& rank,
                              const QueuedJob& next, absl::Duration now) const {
  if (running.job.priority >= next.priority || now < running.job.preemptible_from) return false;
  if (!Fits(next, running.reserved_bytes)) return false;
  if (running.job.tenant == next.tenant) return rank < running.rank;
  // Its tenant's virtual time once it has ended.
  const Tenant& tenant = tenants_.at(running.job.tenant);
  const double lasted = absl::ToDoubleSeconds(now - running.leased);
  const double not_used = Charge(running.charged_seconds, now - running.leased) - lasted;
  const double then =
      VirtualTime(running.job.tenant, tenant, now) - not_used / tenant.policy.weight;
  return turn.first < then - kRounding;
}

std::optional<std::string> FairScheduler::Victim(absl::Duration now) const {
  if (static_cast<int>(running_.size()) < options_.slots) return std::nullopt;
  const std::vector<Turn> turns = Turns(now);
  if (turns.empty()) return std::nullopt;
  const auto& [rank, next] = *tenants_.at(turns.front().second).queue.begin();
  const Running* victim = nullptr;
  for (const auto& [name, running] : running_) {
    if (running.leaving) return std::nullopt;
    if (!MakesRoom(running, turns.front(), rank, next.job, now)) continue;
    const auto loss = [](const Running& one) { return std::make_pair(-one.saved, one.job.name); };
    if (victim == nullptr || loss(running) < loss(*victim)) victim = &running;
  }
  if (victim == nullptr) return std::nullopt;
  return victim->job.name;
}

std::optional<FairScheduler::Wait> FairScheduler::WaitOf(const std::string& name) const {
  const auto place = places_.find(name);
  if (place == places_.end()) return std::nullopt;
  const Tenant& tenant = tenants_.at(place->second.tenant);
  if (AtLimit(tenant)) return Wait::kTenantLimit;
  const bool free_slot = static_cast<int>(running_.size()) < options_.slots;
  const bool fits = Fits(tenant.queue.at(place->second.rank).job, 0);
  return free_slot && !fits ? Wait::kMemory : Wait::kSlot;
}

int FairScheduler::QueuedOf(const std::string& tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? 0 : static_cast<int>(found->second.queue.size());
}

int FairScheduler::RunningOf(const std::string& tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? 0 : found->second.running;
}

}  // namespace acclimate::jobs
