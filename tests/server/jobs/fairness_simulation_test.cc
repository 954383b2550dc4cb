// The scheduler on virtual time, over thousands of random loads: what it promises holds in each.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/jobs/fair_scheduler.h"

namespace acclimate::jobs {
namespace {

constexpr int kSeeds = 4000;
constexpr absl::Duration kLongest = absl::Seconds(300);  // of an attempt
constexpr absl::Duration kAge = absl::Seconds(30);
constexpr absl::Duration kPatience = absl::Seconds(200);
constexpr absl::Duration kRest = absl::Seconds(400);
constexpr double kWeights[] = {0.5, 1, 2, 4};

struct PlannedJob {
  int tenant = 0;
  int priority = 0;
  absl::Duration created;
  absl::Duration run;
  int64_t memory = 0;
};

struct Load {
  int slots = 1;
  int64_t memory = 0;
  bool preempt = false;
  absl::Duration save_time;  // of one that makes room
  std::vector<TenantPolicy> tenants;
  std::vector<PlannedJob> jobs;  // in the order of `created`
};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int Below(int end) { return static_cast<int>(engine_() % static_cast<uint64_t>(end)); }
  int Between(int first, int last) { return first + Below(last - first + 1); }
  bool Chance(int percent) { return Below(100) < percent; }
  absl::Duration UpTo(absl::Duration most) {
    return absl::Milliseconds(1 + Below(static_cast<int>(absl::ToInt64Milliseconds(most))));
  }

 private:
  std::mt19937_64 engine_;
};

// Runs a load to its end, or to a time, and tells a listener what happens.
class Simulation {
 public:
  explicit Simulation(Load load) : load_(std::move(load)), scheduler_(Options()) {
    for (size_t i = 0; i < load_.jobs.size(); ++i) {
      left_.push_back(load_.jobs[i].run);
      preemptible_from_.push_back(-absl::InfiniteDuration());
    }
    had_.resize(load_.tenants.size());
  }
  virtual ~Simulation() = default;

  void Run(absl::Duration until = absl::InfiniteDuration()) {
    size_t next = 0;
    while (!testing::Test::HasFailure()) {
      absl::Duration then = absl::InfiniteDuration();
      if (next < load_.jobs.size()) then = load_.jobs[next].created;
      for (const auto& [job, running] : running_) then = std::min(then, running.ends);
      if (then > until || then == absl::InfiniteDuration()) break;
      now_ = then;
      EndThoseThatAreDue();
      for (; next < load_.jobs.size() && load_.jobs[next].created <= now_; ++next) {
        Queue(static_cast<int>(next));
      }
      LeaseAll();
      OnSettled();
      if (load_.preempt) Preempt();
    }
    for (const int job : queued_) OnNeverLeased(job);
  }

 protected:
  struct RunningJob {
    absl::Duration leased;
    absl::Duration ends;
    bool preempted = false;
  };

  virtual void OnLease(int /*job*/) {}
  virtual void OnPreemption(int /*job*/) {}
  virtual void OnSettled() {}  // all that could be leased now is
  virtual void OnNeverLeased(int /*job*/) {}

  // Slot-seconds that the tenant has had, divided by its weight.
  double Had(int tenant) const {
    absl::Duration had = had_[tenant];
    for (const auto& [job, running] : running_) {
      if (load_.jobs[job].tenant == tenant) had += now_ - running.leased;
    }
    return absl::ToDoubleSeconds(had) / load_.tenants[tenant].weight;
  }
  int RunningOf(int tenant) const {
    return static_cast<int>(std::count_if(running_.begin(), running_.end(), [&](const auto& one) {
      return load_.jobs[one.first].tenant == tenant;
    }));
  }
  int64_t Reserved() const {
    int64_t bytes = 0;
    for (const auto& [job, running] : running_) bytes += load_.jobs[job].memory;
    return bytes;
  }
  absl::Duration DueOf(int job) const {
    return load_.jobs[job].created - load_.jobs[job].priority * kAge;
  }
  absl::Duration WaitOf(int job) const { return now_ - load_.jobs[job].created; }
  bool HasFreeSlot() const { return static_cast<int>(running_.size()) < load_.slots; }

  const Load load_;
  absl::Duration now_;
  std::set<int> queued_;
  std::map<int, RunningJob> running_;

 private:
  FairSchedulerOptions Options() {
    FairSchedulerOptions options;
    options.policy_of = [this](const std::string& tenant) {
      return load_.tenants[std::stoi(tenant)];
    };
    options.reservation_of = [this](const QueuedJob& job) {
      return load_.jobs[std::stoi(job.name)].memory;
    };
    options.slots = load_.slots;
    options.memory_bytes = load_.memory;
    options.priority_age = kAge;
    options.memory_patience = kPatience;
    return options;
  }

  void Queue(int job) {
    QueuedJob queued;
    queued.name = absl::StrCat(job);
    queued.tenant = absl::StrCat(load_.jobs[job].tenant);
    queued.priority = load_.jobs[job].priority;
    queued.created = absl::UnixEpoch() + load_.jobs[job].created;
    queued.preemptible_from = preemptible_from_[job];
    scheduler_.Add(queued);
    queued_.insert(job);
  }

  void EndThoseThatAreDue() {
    for (auto it = running_.begin(); it != running_.end();) {
      const auto [job, running] = *it;
      if (running.ends > now_) {
        ++it;
        continue;
      }
      scheduler_.Release(absl::StrCat(job), now_);
      had_[load_.jobs[job].tenant] += now_ - running.leased;
      left_[job] -= now_ - running.leased;
      it = running_.erase(it);
      if (left_[job] <= absl::ZeroDuration()) continue;
      ASSERT_TRUE(running.preempted);
      preemptible_from_[job] = now_ + kRest;
      Queue(job);
    }
  }

  void LeaseAll() {
    while (HasFreeSlot()) {
      const std::optional<QueuedJob> leased = scheduler_.Lease(now_);
      if (!leased.has_value()) return;
      const int job = std::stoi(leased->name);
      ASSERT_EQ(queued_.count(job), 1u);
      OnLease(job);
      queued_.erase(job);
      running_[job] = {now_, now_ + left_[job], false};
    }
  }

  void Preempt() {
    for (const auto& [job, running] : running_) {
      if (queued_.size() % 3 == 0) scheduler_.NoteSaved(absl::StrCat(job), now_);
    }
    const std::optional<std::string> victim = scheduler_.Victim(now_);
    if (!victim.has_value()) return;
    const int job = std::stoi(*victim);
    OnPreemption(job);
    scheduler_.SetLeaving(*victim, true);
    RunningJob& running = running_.at(job);
    // With no time to save there is another event at once.
    running.ends = std::min(running.ends, now_ + load_.save_time);
    running.preempted = true;
  }

  FairScheduler scheduler_;
  std::vector<absl::Duration> left_;
  std::vector<absl::Duration> preemptible_from_;
  std::vector<absl::Duration> had_;
};

TenantPolicy Weight(double weight) {
  TenantPolicy policy;
  policy.weight = weight;
  return policy;
}

// Tenants, limits, priorities, sizes and times of all sorts.
Load AnyLoad(uint64_t seed) {
  Random random(seed);
  Load load;
  load.slots = random.Between(1, 6);
  if (random.Chance(40)) load.memory = random.Between(50, 200);
  load.preempt = random.Chance(50);
  load.save_time = random.Chance(50) ? absl::ZeroDuration() : random.UpTo(absl::Seconds(20));
  const int tenants = random.Between(1, 5);
  for (int i = 0; i < tenants; ++i) {
    load.tenants.push_back(Weight(kWeights[random.Below(4)]));
    if (random.Chance(40)) load.tenants.back().max_running = random.Between(1, 3);
  }
  absl::Duration created;
  for (int i = 0; i < 80; ++i) {
    created += random.UpTo(random.Chance(30) ? absl::Seconds(200) : absl::Seconds(1));
    load.jobs.push_back({random.Below(tenants), random.Between(-3, 3), created,
                         random.UpTo(kLongest), random.Between(1, 60)});
  }
  return load;
}

class AnyLoadSimulation : public Simulation {
 public:
  using Simulation::Simulation;
  int preemptions() const { return preemptions_; }

 private:
  void OnLease(int job) override {
    const PlannedJob& leased = load_.jobs[job];
    const TenantPolicy& policy = load_.tenants[leased.tenant];
    if (policy.max_running > 0) {
      EXPECT_LT(RunningOf(leased.tenant), policy.max_running);
    }
    if (load_.memory > 0 && !running_.empty()) {
      EXPECT_LE(Reserved() + leased.memory, load_.memory);
    }
    if (load_.memory > 0) return;
    for (const int other : queued_) {
      if (load_.jobs[other].tenant == leased.tenant) {
        EXPECT_LE(DueOf(job), DueOf(other));
      }
    }
    if (load_.save_time == absl::ZeroDuration()) {
      EXPECT_NE(job, made_room_) << "the one that made room is leased in place of the other";
    }
    made_room_ = -1;
  }

  void OnSettled() override {
    if (!HasFreeSlot()) return;
    for (const int job : queued_) {
      if (load_.memory > 0 && WaitOf(job) >= kPatience) return;
    }
    for (const int job : queued_) {
      const TenantPolicy& policy = load_.tenants[load_.jobs[job].tenant];
      const bool may =
          policy.max_running == 0 || RunningOf(load_.jobs[job].tenant) < policy.max_running;
      const bool fits = load_.memory == 0 || running_.empty() ||
                        Reserved() + load_.jobs[job].memory <= load_.memory;
      EXPECT_FALSE(may && fits) << "a slot is free, and job " << job << " waits";
    }
  }

  void OnPreemption(int job) override {
    ++preemptions_;
    made_room_ = job;
    EXPECT_FALSE(HasFreeSlot());
    EXPECT_TRUE(std::none_of(running_.begin(), running_.end(), [&](const auto& one) {
      return one.second.preempted;
    })) << "one at a time";
    EXPECT_TRUE(std::any_of(queued_.begin(), queued_.end(), [&](int other) {
      return load_.jobs[other].priority > load_.jobs[job].priority;
    })) << "only for a higher priority";
    const auto [last, first_time] = preempted_at_.emplace(job, now_);
    if (first_time) return;
    EXPECT_GE(now_ - last->second, kRest);
    last->second = now_;
  }

  void OnNeverLeased(int job) override { ADD_FAILURE() << "job " << job << " is never leased"; }

  int preemptions_ = 0;
  int made_room_ = -1;
  std::map<int, absl::Duration> preempted_at_;
};

TEST(FairnessSimulationTest, LimitsHoldSlotsAreUsedAndPreemptionEnds) {
  int preemptions = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    AnyLoadSimulation simulation(AnyLoad(seed));
    simulation.Run();
    preemptions += simulation.preemptions();
    if (HasFailure()) return;
  }
  EXPECT_GT(preemptions, kSeeds / 2) << "the loads hardly ask for any";
}

const absl::Duration kHorizon = 30 * kLongest;

// More work than the slots can do: each tenant's from the time that it comes on.
Load Backlog(uint64_t seed) {
  Random random(seed);
  Load load;
  load.slots = random.Between(1, 6);
  const int tenants = random.Between(2, 5);
  for (int tenant = 0; tenant < tenants; ++tenant) {
    load.tenants.push_back(Weight(kWeights[random.Below(4)]));
    // Each has jobs of a length of its own.
    const absl::Duration run = random.UpTo(kLongest);
    const absl::Duration comes = tenant == 0 ? absl::ZeroDuration() : random.UpTo(kHorizon / 3);
    const int jobs = static_cast<int>(load.slots * (kHorizon / (run / 2))) + 1;
    for (int i = 0; i < std::min(jobs, 4000); ++i) {
      load.jobs.push_back({tenant, random.Between(-2, 2), comes,
                           run / 2 + random.UpTo(run / 2 + absl::Milliseconds(1)), 0});
    }
  }
  std::stable_sort(load.jobs.begin(), load.jobs.end(),
                   [](const PlannedJob& a, const PlannedJob& b) { return a.created < b.created; });
  return load;
}

class BacklogSimulation : public Simulation {
 public:
  explicit BacklogSimulation(const Load& load) : Simulation(load) {
    for (const PlannedJob& job : load_.jobs) {
      ++left_of_[job.tenant];
      comes_.emplace(job.tenant, job.created);
    }
  }

 private:
  void OnLease(int job) override { --left_of_[load_.jobs[job].tenant]; }

  bool HasWork(int tenant) const { return comes_.at(tenant) <= now_ && left_of_.at(tenant) > 0; }

  // From the time that both have work.
  void OnSettled() override {
    for (int a = 0; a < static_cast<int>(load_.tenants.size()); ++a) {
      for (int b = 0; b < a; ++b) {
        if (!HasWork(a) || !HasWork(b)) continue;
        const double ahead = Had(a) - Had(b);
        const double at_first = ahead_at_first_.emplace(std::make_pair(a, b), ahead).first->second;
        const double bound = 2 * load_.slots * absl::ToDoubleSeconds(kLongest) /
                             std::min(load_.tenants[a].weight, load_.tenants[b].weight);
        EXPECT_LE(std::abs(ahead - at_first), bound)
            << "tenants " << a << " and " << b << " at " << now_;
      }
    }
  }

  std::map<int, int> left_of_;
  std::map<int, absl::Duration> comes_;
  std::map<std::pair<int, int>, double> ahead_at_first_;
};

TEST(FairnessSimulationTest, SharesAreAsTheWeightsWhileAllHaveWork) {
  for (int seed = 0; seed < kSeeds / 20; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    BacklogSimulation(Backlog(seed)).Run(kHorizon);
    if (HasFailure()) return;
  }
}

// One tenant floods with jobs of the highest priority; some jobs of the lowest are among them.
Load Flood(uint64_t seed) {
  Random random(seed);
  Load load;
  load.slots = random.Between(1, 3);
  const int tenants = random.Between(1, 4);
  for (int i = 0; i < tenants; ++i) load.tenants.push_back(Weight(kWeights[random.Below(4)]));
  absl::Duration created;
  for (int i = 0; i < 400; ++i) {
    created += random.UpTo(kLongest / load.slots);
    const bool flood = random.Chance(90);
    load.jobs.push_back(
        {flood ? 0 : random.Below(tenants), flood ? 5 : -5, created, random.UpTo(kLongest), 0});
  }
  return load;
}

class FloodSimulation : public Simulation {
 public:
  explicit FloodSimulation(const Load& load)
      : Simulation(load), ended_(load.jobs.size(), absl::InfiniteDuration()) {}

 private:
  void OnLease(int job) override { CheckWait(job); }
  void OnNeverLeased(int job) override { ADD_FAILURE() << "job " << job << " is never leased"; }

  // The work that may go before it, at the tenant's share of the slots, and what the bound on the
  // shares lets others have beside theirs.
  void CheckWait(int job) {
    const PlannedJob& waited = load_.jobs[job];
    absl::Duration before;
    for (size_t i = 0; i < load_.jobs.size(); ++i) {
      const PlannedJob& other = load_.jobs[i];
      if (other.tenant == waited.tenant && other.created <= now_ &&
          DueOf(static_cast<int>(i)) <= DueOf(job) && ended_[i] > waited.created) {
        before += other.run;
      }
    }
    double weights = 0, least = 4, most = 0;
    for (const TenantPolicy& tenant : load_.tenants) {
      weights += tenant.weight;
      least = std::min(least, tenant.weight);
      most = std::max(most, tenant.weight);
    }
    const double share = load_.tenants[waited.tenant].weight / weights * load_.slots;
    const absl::Duration bound =
        before / share + 2 * static_cast<double>(load_.tenants.size()) * (most / least) * kLongest;
    EXPECT_LE(WaitOf(job), bound) << "job " << job;
    ended_[job] = now_ + waited.run;
  }

  std::vector<absl::Duration> ended_;  // by job
};

TEST(FairnessSimulationTest, NothingStarvesInAFlood) {
  for (int seed = 0; seed < kSeeds / 8; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    FloodSimulation(Flood(seed)).Run();
    if (HasFailure()) return;
  }
}

// Small jobs without end, and some that need nearly all the memory.
Load MemoryFlood(uint64_t seed) {
  Random random(seed);
  Load load;
  load.slots = random.Between(2, 6);
  load.memory = 100;
  load.tenants.push_back(Weight(1));
  absl::Duration created;
  for (int i = 0; i < 300; ++i) {
    created += random.UpTo(kLongest / load.slots);
    const bool large = random.Chance(3);
    load.jobs.push_back({0, 0, created, random.UpTo(kLongest),
                         large ? random.Between(80, 100) : random.Between(1, 25)});
  }
  return load;
}

class MemoryFloodSimulation : public Simulation {
 public:
  using Simulation::Simulation;

 private:
  void OnLease(int job) override {
    if (job != first_) return;
    EXPECT_LE(now_ - first_since_, kPatience + 2 * kLongest) << "job " << job;
  }
  void OnSettled() override {
    if (queued_.empty() || *queued_.begin() == first_) return;
    first_ = *queued_.begin();
    first_since_ = now_;
  }
  void OnNeverLeased(int job) override { ADD_FAILURE() << "job " << job << " is never leased"; }

  int first_ = -1;  // in the line
  absl::Duration first_since_;
};

TEST(FairnessSimulationTest, SmallJobsPassALargeOneForALimitedTime) {
  for (int seed = 0; seed < kSeeds / 8; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    MemoryFloodSimulation(MemoryFlood(seed)).Run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace acclimate::jobs
