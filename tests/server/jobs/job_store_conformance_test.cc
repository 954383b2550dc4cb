#include "tests/server/jobs/job_store_conformance.h"

#include <algorithm>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/base/resource_names.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/server/jobs/memory_job_store.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {

v1::Job JobStoreConformance::Create(const std::string& id, const v1::JobSpec& spec) {
  const auto created = store().Create(NewJob(Name(id), spec, absl::Now()), "", "");
  EXPECT_TRUE(created.ok()) << created.status();
  return created.ok() ? created->job : v1::Job();
}

v1::Job JobStoreConformance::Get(const std::string& id) {
  const auto job = store().Get(Name(id));
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : v1::Job();
}

std::vector<v1::JobEvent> JobStoreConformance::Events(const std::string& id) {
  const auto events = store().Events(Name(id), {});
  EXPECT_TRUE(events.ok()) << events.status();
  return events.ok() ? *events : std::vector<v1::JobEvent>();
}

std::vector<v1::Job> JobStoreConformance::ListAll(JobQuery query) {
  std::vector<v1::Job> jobs;
  do {
    const auto page = store().List(query);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) break;
    EXPECT_LE(page->jobs.size(), static_cast<size_t>(query.page_size));
    jobs.insert(jobs.end(), page->jobs.begin(), page->jobs.end());
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty());
  return jobs;
}

namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InSqlite : public JobStoreUnderTest {
 public:
  InSqlite() { Reopen(); }
  JobStore& store() override { return *store_; }
  void Reopen() override {
    store_ = nullptr;
    store_ = *SqliteJobStore::Open(folder_.File("jobs.sqlite"), &metrics_);
  }

 private:
  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
};

class InMemory : public JobStoreUnderTest {
 public:
  JobStore& store() override { return store_; }
  void Reopen() override {}

 private:
  MemoryJobStore store_;
};

template <typename Store>
std::unique_ptr<JobStoreUnderTest> Make() {
  return std::make_unique<Store>();
}

JobChange Queued(const std::string& name, const v1::JobSpec& spec = {}) {
  return NewJob(name, spec, absl::Now());
}

v1::JobSpec Method(const std::string& method, int priority = 0) {
  v1::JobSpec spec;
  spec.set_method(method);
  spec.set_priority(priority);
  return spec;
}

JobQuery AllJobs(int page_size = 50) {
  JobQuery query;
  query.tenant = "default";
  query.page_size = page_size;
  return query;
}

// Sets the state and tells of it, whatever the table says.
JobStore::Mutation Become(v1::JobState state) {
  return [state](JobChange& change) {
    change.job.set_state(state);
    AddEvent(change, absl::Now()).mutable_state()->set_to(state);
    return absl::OkStatus();
  };
}

std::vector<std::string> Ids(const std::vector<v1::Job>& jobs) {
  std::vector<std::string> ids;
  for (const v1::Job& job : jobs) ids.push_back(job.name().substr(job.name().rfind('/') + 1));
  return ids;
}

TEST_P(JobStoreConformance, WhatWasCommittedIsThereAfterReopening) {
  v1::JobSpec spec = Method("dann", 3);
  (*spec.mutable_labels())["team"] = "vision";
  Create("a", spec);
  const v1::Job before = *store().Update(Name("a"), Become(v1::JOB_STATE_RUNNING));
  Reopen();
  EXPECT_TRUE(MessageDifferencer::Equals(Get("a"), before));
  const auto events = Events("a");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].state().to(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(store().Get(Name("b")).status().code(), absl::StatusCode::kNotFound);
}

// The files of a process that was killed: nobody closed the database.
// Wherever power was lost in the log, a job and its events tell the same story.
TEST_P(JobStoreConformance, APageHasABoundInBytesToo) {
  v1::JobSpec large;
  large.mutable_target()->set_display_name(std::string(kMaxPageBytes / 4, 'x'));
  for (int i = 0; i < 10; ++i) Create(absl::StrCat("job", i), large);
  const auto page = store().List(AllJobs(1000));
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->jobs, testing::SizeIs(3));
  EXPECT_THAT(Ids(ListAll(AllJobs(1000))), testing::SizeIs(10));
  EXPECT_THAT(Ids(ListAll(AllJobs(2))), testing::SizeIs(10));
}

TEST_P(JobStoreConformance, AJobLargerThanAPageIsAPageOfItsOwn) {
  v1::JobSpec huge;
  huge.mutable_target()->set_display_name(std::string(2 * kMaxPageBytes, 'x'));
  for (const char* id : {"a", "b"}) Create(id, huge);
  Create("small");
  EXPECT_THAT(Ids(ListAll(AllJobs())), ElementsAre("small", "b", "a"));
  EXPECT_THAT(Ids(store().List(AllJobs())->jobs), ElementsAre("small"));
}

TEST_P(JobStoreConformance, AListLeavesOutTheTailsOfStderr) {
  Create("a");
  ASSERT_TRUE(store()
                  .Update(Name("a"),
                          [](JobChange& change) {
                            v1::Attempt& attempt = *change.job.add_attempts();
                            attempt.set_message("why");
                            attempt.set_stderr_tail("tail");
                            return absl::OkStatus();
                          })
                  .ok());
  EXPECT_EQ(Get("a").attempts(0).stderr_tail(), "tail");
  const std::vector<v1::Job> listed = ListAll(AllJobs());
  ASSERT_THAT(listed, testing::SizeIs(1));
  EXPECT_EQ(listed[0].attempts(0).stderr_tail(), "");
  EXPECT_EQ(listed[0].attempts(0).message(), "why");
}

TEST_P(JobStoreConformance, ARequestMakesOneJob) {
  const auto first = store().Create(Queued(Name("a")), "request", "digest");
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->existed);
  Reopen();  // it is remembered as long as the job
  const auto again = store().Create(Queued(Name("b")), "request", "digest");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->existed);
  EXPECT_TRUE(MessageDifferencer::Equals(again->job, first->job));
  EXPECT_THAT(Ids(ListAll(AllJobs())), ElementsAre("a"));

  const auto other = store().Create(Queued(Name("c")), "request", "another digest");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr(Name("a")));

  EXPECT_FALSE(store().Create(Queued("tenants/other/jobs/d"), "request", "x")->existed);
  EXPECT_FALSE(store().Create(Queued(Name("e")), "", "digest")->existed);
  EXPECT_FALSE(store().Create(Queued(Name("f")), "", "digest")->existed);
}

TEST_P(JobStoreConformance, ARequestThatComesManyTimesAtOnceMakesOneJob) {
  std::vector<std::string> names(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < names.size(); ++i) {
    threads.emplace_back([this, &names, i] {
      const auto created = store().Create(Queued(Name(absl::StrCat("job", i))), "request", "d");
      if (created.ok()) names[i] = created->job.name();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1u);
  EXPECT_THAT(ListAll(AllJobs()), testing::SizeIs(1));
}

TEST_P(JobStoreConformance, ARefusedMutationChangesNothing) {
  const v1::Job before = Create("a");
  const auto refused = store().Update(Name("a"), [](JobChange& change) {
    change.job.set_state(v1::JOB_STATE_FAILED);
    AddEvent(change, absl::Now()).set_warning("never seen");
    return absl::AbortedError("stale");
  });
  EXPECT_EQ(refused.status(), absl::AbortedError("stale"));
  EXPECT_TRUE(MessageDifferencer::Equals(Get("a"), before));
  EXPECT_EQ(Events("a").size(), 1u);
  EXPECT_EQ(store().Update(Name("b"), Become(v1::JOB_STATE_RUNNING)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(JobStoreConformance, CursorsRiseByOneWhoeverWrites) {
  Create("a");
  constexpr int kThreads = 4, kUpdates = 20;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] {
      for (int update = 0; update < kUpdates; ++update) {
        EXPECT_TRUE(store()
                        .Update(Name("a"),
                                [i](JobChange& change) {
                                  for (int event = 0; event <= i % 2; ++event) {
                                    AddEvent(change, absl::Now()).set_warning("w");
                                  }
                                  return absl::OkStatus();
                                })
                        .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto events = Events("a");
  ASSERT_EQ(events.size(), 1u + kThreads * kUpdates * 3 / 2);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].cursor(), static_cast<int64_t>(i) + 1);
  }
  EXPECT_EQ(Get("a").last_cursor(), static_cast<int64_t>(events.size()));
}

TEST_P(JobStoreConformance, EventsStartAfterTheCursorAndEndAtTheLimit) {
  Create("a");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(store().Update(Name("a"), Become({})).ok());
  const auto events = *store().Events(Name("a"), {.after = 2, .limit = 2});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].cursor(), 3);
  EXPECT_EQ(events[1].cursor(), 4);
  EXPECT_THAT(*store().Events(Name("a"), {.after = 5}), IsEmpty());
}

TEST_P(JobStoreConformance, VisitsTheQueuedJobsThatDoNotWait) {
  for (const char* id : {"first", "running", "waiting", "second"}) Create(id, Method("m"));
  ASSERT_TRUE(store().Update(Name("running"), Become(v1::JOB_STATE_RUNNING)).ok());
  ASSERT_TRUE(store()
                  .Update(Name("waiting"),
                          [](JobChange& change) {
                            change.job.mutable_next_attempt_time()->set_seconds(1);
                            return absl::OkStatus();
                          })
                  .ok());
  std::vector<v1::Job> visited;
  ASSERT_TRUE(store().VisitQueued([&](const v1::Job& job) { visited.push_back(job); }).ok());
  EXPECT_THAT(Ids(visited), ElementsAre("first", "second"));
  EXPECT_EQ(visited[0].spec().method(), "m");
}

TEST_P(JobStoreConformance, ACheckIsAskedOfNewJobsOnly) {
  const auto refuse = [](JobChange&) { return absl::ResourceExhaustedError("full"); };
  const auto create = [&](const std::string& id, const JobStore::Mutation& check) {
    return store().Create(Queued(Name(id)), "request", "digest", check).status();
  };
  EXPECT_EQ(create("a", refuse), absl::ResourceExhaustedError("full"));
  EXPECT_THAT(ListAll(AllJobs()), IsEmpty());
  EXPECT_TRUE(create("a", [](JobChange&) { return absl::OkStatus(); }).ok());
  EXPECT_TRUE(create("b", refuse).ok()) << "the job is there";
}

TEST_P(JobStoreConformance, RemembersThePeaksThatChangesLearn) {
  Create("a");
  const auto learn = [&](const std::string& kind, int64_t bytes, const absl::Status& status) {
    return store()
        .Update(Name("a"),
                [&](JobChange& change) {
                  change.memory_peak = MemoryPeak{kind, bytes};
                  return status;
                })
        .ok();
  };
  EXPECT_TRUE(learn("x", 1, absl::OkStatus()));
  EXPECT_TRUE(learn("y", 2, absl::OkStatus()));
  EXPECT_TRUE(learn("x", 3, absl::OkStatus()));
  EXPECT_FALSE(learn("y", 4, absl::AbortedError("stale")));
  Reopen();
  std::vector<std::pair<std::string, int64_t>> peaks;
  const auto stored = store().MemoryPeaks();
  ASSERT_TRUE(stored.ok()) << stored.status();
  for (const MemoryPeak& peak : *stored) peaks.emplace_back(peak.kind, peak.bytes);
  EXPECT_THAT(peaks, ElementsAre(std::make_pair("y", 2), std::make_pair("x", 3)));
}
class JobListConformance : public JobStoreConformance {
 protected:
  JobListConformance() {
    for (int i = 0; i < 24; ++i) {
      v1::JobSpec spec = Method(i % 3 == 0 ? "shot" : "dann");
      (*spec.mutable_labels())["team"] = i % 2 == 0 ? "vision" : "sound";
      (*spec.mutable_labels())["stage"] = i % 4 == 0 ? "test" : "main";
      const v1::Job job = Create(absl::StrCat(i), spec);
      if (i % 5 == 0) {
        EXPECT_TRUE(store().Update(job.name(), Become(v1::JOB_STATE_FAILED)).ok());
      }
      all_.insert(all_.begin(), Get(absl::StrCat(i)));
    }
    EXPECT_TRUE(store().Create(Queued("tenants/other/jobs/x", Method("shot")), "", "").ok());
  }

  template <typename Predicate>
  std::vector<std::string> Expected(const Predicate& predicate) {
    std::vector<v1::Job> jobs;
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(jobs), predicate);
    EXPECT_FALSE(jobs.empty());
    return Ids(jobs);
  }

  std::vector<v1::Job> all_;  // newest first
};

TEST_P(JobListConformance, PagesHoldEveryJobOnceNewestFirst) {
  for (int page_size : {1, 5, 6, 23, 24, 25}) {
    EXPECT_EQ(Ids(ListAll(AllJobs(page_size))), Ids(all_)) << page_size;
  }
}

TEST_P(JobListConformance, FiltersHoldOnEveryPage) {
  JobQuery query = AllJobs(2);
  query.method = "shot";
  EXPECT_EQ(Ids(ListAll(query)),
            Expected([](const v1::Job& job) { return job.spec().method() == "shot"; }));
  query.labels = {{"team", "vision"}, {"stage", "main"}};
  EXPECT_EQ(Ids(ListAll(query)), Expected([](const v1::Job& job) {
              return job.spec().method() == "shot" && job.spec().labels().at("team") == "vision" &&
                     job.spec().labels().at("stage") == "main";
            }));
  query.method = "";
  query.labels = {{"team", "sound"}};
  query.state = v1::JOB_STATE_FAILED;
  EXPECT_EQ(Ids(ListAll(query)), Expected([](const v1::Job& job) {
              return job.state() == v1::JOB_STATE_FAILED &&
                     job.spec().labels().at("team") == "sound";
            }));
  query.labels = {{"team", "nobody"}};
  EXPECT_THAT(ListAll(query), IsEmpty());
}

TEST_P(JobListConformance, JobsThatComeOrGoMeanwhileMoveNoOther) {
  JobQuery query = AllJobs(6);
  auto page = store().List(query);
  std::vector<std::string> ids = Ids(page->jobs);
  Create("newer");
  ASSERT_TRUE(
      store().Delete(page->jobs.back().name(), [](JobChange&) { return absl::OkStatus(); }).ok());
  query.page_token = page->next_page_token;
  for (const std::string& id : Ids(ListAll(query))) ids.push_back(id);
  EXPECT_EQ(ids, Ids(all_));
}

TEST_P(JobListConformance, ATokenGoesWithItsQueryOnly) {
  JobQuery query = AllJobs(5);
  query.page_token = store().List(query)->next_page_token;
  ASSERT_FALSE(query.page_token.empty());
  JobQuery other = query;
  other.method = "shot";
  EXPECT_EQ(store().List(other).status().code(), absl::StatusCode::kInvalidArgument);
  other = query;
  other.tenant = "other";
  EXPECT_EQ(store().List(other).status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* made_up : {"x", "MTIz", "!!!!", "LTEKZGVmYXVsdA"}) {
    query.page_token = made_up;
    EXPECT_EQ(store().List(query).status().code(), absl::StatusCode::kInvalidArgument) << made_up;
  }
}

TEST_P(JobStoreConformance, ADeletedJobLeavesNothing) {
  v1::JobSpec spec;
  (*spec.mutable_labels())["team"] = "vision";
  Create("a", spec);
  const auto refuse = [](JobChange&) { return absl::FailedPreconditionError("it runs"); };
  EXPECT_EQ(store().Delete(Name("a"), refuse), absl::FailedPreconditionError("it runs"));
  EXPECT_EQ(Get("a").name(), Name("a"));
  const auto agree = [](JobChange&) { return absl::OkStatus(); };
  ASSERT_TRUE(store().Delete(Name("a"), agree).ok());
  EXPECT_EQ(store().Get(Name("a")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Events("a"), IsEmpty());
  EXPECT_EQ(store().Delete(Name("a"), agree).code(), absl::StatusCode::kNotFound);

  Create("a");  // the same name again, with a history of its own
  EXPECT_EQ(Events("a").size(), 1u);
  JobQuery query = AllJobs();
  query.labels = {{"team", "vision"}};
  EXPECT_THAT(ListAll(query), IsEmpty());
}

TEST_P(JobStoreConformance, CountsAndStatesFollowTheJobs) {
  Create("a", Method("shot"));
  Create("b", Method("shot"));
  Create("c", Method("dann"));
  ASSERT_TRUE(store().Update(Name("b"), Become(v1::JOB_STATE_RUNNING)).ok());
  std::set<std::tuple<int, std::string, int64_t>> counts;
  const auto counted = store().Counts();
  ASSERT_TRUE(counted.ok()) << counted.status();
  for (const StateCount& count : *counted) {
    counts.emplace(count.state, count.method, count.jobs);
  }
  EXPECT_THAT(counts, ElementsAre(std::make_tuple(v1::JOB_STATE_QUEUED, "dann", 1),
                                  std::make_tuple(v1::JOB_STATE_QUEUED, "shot", 1),
                                  std::make_tuple(v1::JOB_STATE_RUNNING, "shot", 1)));
  const auto oldest = [&](int limit) {
    return Ids(
        *store().Select({v1::JOB_STATE_QUEUED, std::nullopt, StateQuery::Order::kOldest, limit}));
  };
  EXPECT_THAT(oldest(10), ElementsAre("a", "c"));
  EXPECT_THAT(oldest(1), ElementsAre("a"));
}

TEST_P(JobStoreConformance, SelectsTheFirstJobsOfAState) {
  const auto create = [&](const std::string& name, int priority) {
    ASSERT_TRUE(store().Create(Queued(name, Method("shot", priority)), "", "").ok());
  };
  create("tenants/a/jobs/old", 0);
  create("tenants/b/jobs/urgent", 5);
  create("tenants/a/jobs/later", 5);
  create("tenants/c/jobs/last", -1);
  create("tenants/a/jobs/running", 9);
  ASSERT_TRUE(store().Update("tenants/a/jobs/running", Become(v1::JOB_STATE_RUNNING)).ok());
  using Order = StateQuery::Order;
  const auto select = [&](Tenants tenants, Order order, int limit = 10) {
    const auto jobs = store().Select({v1::JOB_STATE_QUEUED, std::move(tenants), order, limit});
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    return jobs.ok() ? Ids(*jobs) : std::vector<std::string>();
  };
  EXPECT_THAT(select({}, Order::kOldest), ElementsAre("old", "urgent", "later", "last"));
  EXPECT_THAT(select({}, Order::kNewest), ElementsAre("last", "later", "urgent", "old"));
  EXPECT_THAT(select({}, Order::kPriority), ElementsAre("urgent", "later", "old", "last"));
  EXPECT_THAT(select({}, Order::kPriority, 2), ElementsAre("urgent", "later"));
  EXPECT_THAT(select({{"a"}}, Order::kOldest), ElementsAre("old", "later"));
  EXPECT_THAT(select({{"a", "c"}}, Order::kPriority), ElementsAre("later", "old", "last"));
  EXPECT_THAT(select({{"a", "c"}}, Order::kNewest, 1), ElementsAre("last"));
  EXPECT_THAT(select({{"nobody", "a' OR 1"}}, Order::kNewest), IsEmpty());
  EXPECT_THAT(select(std::set<std::string>(), Order::kOldest), IsEmpty());
}

TEST_P(JobStoreConformance, CountsTheJobsOfTenants) {
  for (const char* name : {"tenants/a/jobs/1", "tenants/a/jobs/2", "tenants/b/jobs/1"}) {
    ASSERT_TRUE(store().Create(Queued(name), "", "").ok());
  }
  ASSERT_TRUE(store().Update("tenants/a/jobs/1", Become(v1::JOB_STATE_FAILED)).ok());
  const auto counts = [&](const Tenants& tenants) { return *store().CountsOf(tenants); };
  using ::testing::Pair;
  EXPECT_THAT(counts({}),
              ElementsAre(Pair(v1::JOB_STATE_QUEUED, 2), Pair(v1::JOB_STATE_FAILED, 1)));
  EXPECT_THAT(counts({{"b", "none"}}), ElementsAre(Pair(v1::JOB_STATE_QUEUED, 1)));
  EXPECT_THAT(counts(std::set<std::string>()), IsEmpty());
}

TEST_P(JobStoreConformance, BlobsAreNeededAsLongAsAJobNamesThem) {
  const std::string data(64, 'a'), state(64, 'b'), newer(64, 'c'), model(64, 'd');
  v1::JobSpec spec;
  spec.mutable_target()->set_blob(BlobName("default", data));
  Create("a", spec);
  const auto needed = [&](const std::string& sha256, const std::string& tenant = "default") {
    const auto answer = store().NeedsBlob(tenant, sha256);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() && *answer;
  };
  const auto checkpoint = [&](const std::string& sha256) {
    const auto job = store().Update(Name("a"), [&](JobChange& change) {
      v1::Checkpointed saved;
      saved.set_blob(BlobName("default", sha256));
      AddCheckpoint(change, saved, absl::Now());
      return absl::OkStatus();
    });
    EXPECT_TRUE(job.ok()) << job.status();
  };
  EXPECT_TRUE(needed(data));
  EXPECT_FALSE(needed(data, "other"));
  checkpoint(state);
  EXPECT_TRUE(needed(state));
  checkpoint(newer);
  EXPECT_FALSE(needed(state)) << "the newest alone";
  EXPECT_TRUE(needed(newer));
  Reopen();
  EXPECT_TRUE(needed(data) && needed(newer));
  EXPECT_FALSE(needed(model));
  ASSERT_TRUE(store().Delete(Name("a"), [](JobChange&) { return absl::OkStatus(); }).ok());
  EXPECT_FALSE(needed(data) || needed(newer));
}

TEST_P(JobStoreConformance, EventsEndWithTheBytesThatWereAskedFor) {
  Create("a");
  const auto job = store().Update(Name("a"), [](JobChange& change) {
    for (int i = 0; i < 10; ++i) AddEvent(change, absl::Now()).set_warning(std::string(1000, 'w'));
    return absl::OkStatus();
  });
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(*store().Events(Name("a"), {.after = 1, .max_bytes = 2500}), testing::SizeIs(3));
  EXPECT_THAT(*store().Events(Name("a"), {.after = 1, .max_bytes = 1}), testing::SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(Sqlite, JobStoreConformance, testing::Values(&Make<InSqlite>));
INSTANTIATE_TEST_SUITE_P(Sqlite, JobListConformance, testing::Values(&Make<InSqlite>));
INSTANTIATE_TEST_SUITE_P(Memory, JobStoreConformance, testing::Values(&Make<InMemory>));
INSTANTIATE_TEST_SUITE_P(Memory, JobListConformance, testing::Values(&Make<InMemory>));

}  // namespace
}  // namespace acclimate::jobs
