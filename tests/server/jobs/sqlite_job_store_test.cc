#include "server/jobs/sqlite_job_store.h"

#include <linux/magic.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "server/jobs/job_change.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {
namespace {

namespace fs = std::filesystem;
using google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Name(const std::string& id) { return "tenants/default/jobs/" + id; }

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

class SqliteJobStoreTest : public testing::Test {
 protected:
  SqliteJobStoreTest() { Reopen(); }

  std::unique_ptr<SqliteJobStore> OpenIn(const std::string& folder) {
    auto store = SqliteJobStore::Open(folder + "/jobs.sqlite", &metrics_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  void Reopen() {
    store_ = nullptr;
    store_ = OpenIn(folder_.path());
  }

  v1::Job Create(const std::string& id, const v1::JobSpec& spec = {}) {
    auto created = store_->Create(Queued(Name(id), spec), "", "");
    EXPECT_TRUE(created.ok()) << created.status();
    return created->job;
  }
  v1::Job Get(const std::string& id) {
    auto job = store_->Get(Name(id));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : v1::Job();
  }
  std::vector<v1::JobEvent> Events(const std::string& id) {
    auto events = store_->Events(Name(id), {});
    EXPECT_TRUE(events.ok()) << events.status();
    return *events;
  }
  // All pages, one after the other.
  std::vector<v1::Job> ListAll(JobQuery query) {
    std::vector<v1::Job> jobs;
    do {
      auto page = store_->List(query);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->jobs.size(), static_cast<size_t>(query.page_size));
      jobs.insert(jobs.end(), page->jobs.begin(), page->jobs.end());
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    return jobs;
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(SqliteJobStoreTest, WhatWasCommittedIsThereAfterReopening) {
  v1::JobSpec spec = Method("dann", 3);
  (*spec.mutable_labels())["team"] = "vision";
  Create("a", spec);
  const v1::Job before = *store_->Update(Name("a"), Become(v1::JOB_STATE_RUNNING));
  Reopen();
  EXPECT_TRUE(MessageDifferencer::Equals(Get("a"), before));
  const auto events = Events("a");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].state().to(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(store_->Get(Name("b")).status().code(), absl::StatusCode::kNotFound);
}

// The files of a process that was killed: nobody closed the database.
TEST_F(SqliteJobStoreTest, WhatWasAnsweredSurvivesAKill) {
  for (int i = 0; i < 20; ++i) Create(absl::StrCat("job", i));
  const TemporaryFolder crashed;
  fs::copy(folder_.path(), crashed.path());
  const auto recovered = OpenIn(crashed.path());
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(recovered->Get(Name(absl::StrCat("job", i))).ok()) << i;
  }
}

// Wherever power was lost in the log, a job and its events tell the same story.
TEST_F(SqliteJobStoreTest, ATornLogNeverPartsAJobFromItsEvents) {
  Create("a");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        store_->Update(Name("a"), Become(i % 2 == 0 ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_QUEUED))
            .ok());
  }
  constexpr int kCuts = 24;
  const auto log_bytes = fs::file_size(folder_.File("jobs.sqlite-wal"));
  std::set<int64_t> histories;
  for (int cut = 0; cut <= kCuts; ++cut) {
    const TemporaryFolder crashed;
    fs::copy(folder_.File("jobs.sqlite"), crashed.File("jobs.sqlite"));
    fs::copy(folder_.File("jobs.sqlite-wal"), crashed.File("jobs.sqlite-wal"));
    fs::resize_file(crashed.File("jobs.sqlite-wal"), log_bytes * cut / kCuts);
    const auto recovered = OpenIn(crashed.path());
    ASSERT_NE(recovered, nullptr) << cut;
    const auto job = recovered->Get(Name("a"));
    const auto events = *recovered->Events(Name("a"), {});
    if (!job.ok()) {
      EXPECT_THAT(events, IsEmpty());
      continue;
    }
    histories.insert(job->last_cursor());
    ASSERT_EQ(static_cast<int64_t>(events.size()), job->last_cursor());
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].cursor(), static_cast<int64_t>(i) + 1);
    }
    EXPECT_EQ(events.back().state().to(), job->state());
  }
  EXPECT_EQ(*histories.rbegin(), 11);  // the whole log holds all
  EXPECT_GT(histories.size(), 5u);     // and the cuts fell between the changes
}

TEST_F(SqliteJobStoreTest, APageHasABoundInBytesToo) {
  v1::JobSpec large;
  large.mutable_target()->set_display_name(std::string(kMaxPageBytes / 4, 'x'));
  for (int i = 0; i < 10; ++i) Create(absl::StrCat("job", i), large);
  const auto page = store_->List(AllJobs(1000));
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->jobs, testing::SizeIs(3));
  EXPECT_THAT(Ids(ListAll(AllJobs(1000))), testing::SizeIs(10));
  EXPECT_THAT(Ids(ListAll(AllJobs(2))), testing::SizeIs(10));
}

TEST_F(SqliteJobStoreTest, AJobLargerThanAPageIsAPageOfItsOwn) {
  v1::JobSpec huge;
  huge.mutable_target()->set_display_name(std::string(2 * kMaxPageBytes, 'x'));
  for (const char* id : {"a", "b"}) Create(id, huge);
  Create("small");
  EXPECT_THAT(Ids(ListAll(AllJobs())), ElementsAre("small", "b", "a"));
  EXPECT_THAT(Ids(store_->List(AllJobs())->jobs), ElementsAre("small"));
}

TEST_F(SqliteJobStoreTest, AListLeavesOutTheTailsOfStderr) {
  Create("a");
  ASSERT_TRUE(store_
                  ->Update(Name("a"),
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

TEST_F(SqliteJobStoreTest, ARequestMakesOneJob) {
  const auto first = store_->Create(Queued(Name("a")), "request", "digest");
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->existed);
  Reopen();  // it is remembered as long as the job
  const auto again = store_->Create(Queued(Name("b")), "request", "digest");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->existed);
  EXPECT_TRUE(MessageDifferencer::Equals(again->job, first->job));
  EXPECT_THAT(Ids(ListAll(AllJobs())), ElementsAre("a"));

  const auto other = store_->Create(Queued(Name("c")), "request", "another digest");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr(Name("a")));

  EXPECT_FALSE(store_->Create(Queued("tenants/other/jobs/d"), "request", "x")->existed);
  EXPECT_FALSE(store_->Create(Queued(Name("e")), "", "digest")->existed);
  EXPECT_FALSE(store_->Create(Queued(Name("f")), "", "digest")->existed);
}

TEST_F(SqliteJobStoreTest, ARequestThatComesManyTimesAtOnceMakesOneJob) {
  std::vector<std::string> names(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < names.size(); ++i) {
    threads.emplace_back([this, &names, i] {
      const auto created = store_->Create(Queued(Name(absl::StrCat("job", i))), "request", "d");
      if (created.ok()) names[i] = created->job.name();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1u);
  EXPECT_THAT(ListAll(AllJobs()), testing::SizeIs(1));
}

TEST_F(SqliteJobStoreTest, ARefusedMutationChangesNothing) {
  const v1::Job before = Create("a");
  const auto refused = store_->Update(Name("a"), [](JobChange& change) {
    change.job.set_state(v1::JOB_STATE_FAILED);
    AddEvent(change, absl::Now()).set_warning("never seen");
    return absl::AbortedError("stale");
  });
  EXPECT_EQ(refused.status(), absl::AbortedError("stale"));
  EXPECT_TRUE(MessageDifferencer::Equals(Get("a"), before));
  EXPECT_EQ(Events("a").size(), 1u);
  EXPECT_EQ(store_->Update(Name("b"), Become(v1::JOB_STATE_RUNNING)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(SqliteJobStoreTest, CursorsRiseByOneWhoeverWrites) {
  Create("a");
  constexpr int kThreads = 4, kUpdates = 20;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] {
      for (int update = 0; update < kUpdates; ++update) {
        EXPECT_TRUE(store_
                        ->Update(Name("a"),
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

TEST_F(SqliteJobStoreTest, EventsStartAfterTheCursorAndEndAtTheLimit) {
  Create("a");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(store_->Update(Name("a"), Become({})).ok());
  const auto events = *store_->Events(Name("a"), {.after = 2, .limit = 2});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].cursor(), 3);
  EXPECT_EQ(events[1].cursor(), 4);
  EXPECT_THAT(*store_->Events(Name("a"), {.after = 5}), IsEmpty());
}

TEST_F(SqliteJobStoreTest, VisitsTheQueuedJobsThatDoNotWait) {
  for (const char* id : {"first", "running", "waiting", "second"}) Create(id, Method("m"));
  ASSERT_TRUE(store_->Update(Name("running"), Become(v1::JOB_STATE_RUNNING)).ok());
  ASSERT_TRUE(store_
                  ->Update(Name("waiting"),
                           [](JobChange& change) {
                             change.job.mutable_next_attempt_time()->set_seconds(1);
                             return absl::OkStatus();
                           })
                  .ok());
  std::vector<v1::Job> visited;
  ASSERT_TRUE(store_->VisitQueued([&](const v1::Job& job) { visited.push_back(job); }).ok());
  EXPECT_THAT(Ids(visited), ElementsAre("first", "second"));
  EXPECT_EQ(visited[0].spec().method(), "m");
}

TEST_F(SqliteJobStoreTest, ACheckIsAskedOfNewJobsOnly) {
  const auto refuse = [](JobChange&) { return absl::ResourceExhaustedError("full"); };
  const auto create = [&](const std::string& id, const JobStore::Mutation& check) {
    return store_->Create(Queued(Name(id)), "request", "digest", check).status();
  };
  EXPECT_EQ(create("a", refuse), absl::ResourceExhaustedError("full"));
  EXPECT_THAT(ListAll(AllJobs()), IsEmpty());
  EXPECT_TRUE(create("a", [](JobChange&) { return absl::OkStatus(); }).ok());
  EXPECT_TRUE(create("b", refuse).ok()) << "the job is there";
}

TEST_F(SqliteJobStoreTest, RemembersThePeaksThatChangesLearn) {
  Create("a");
  const auto learn = [&](const std::string& kind, int64_t bytes, const absl::Status& status) {
    return store_
        ->Update(Name("a"),
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
  const auto stored = store_->MemoryPeaks();
  ASSERT_TRUE(stored.ok()) << stored.status();
  for (const MemoryPeak& peak : *stored) peaks.emplace_back(peak.kind, peak.bytes);
  EXPECT_THAT(peaks, ElementsAre(std::make_pair("y", 2), std::make_pair("x", 3)));
}
class JobListTest : public SqliteJobStoreTest {
 protected:
  JobListTest() {
    for (int i = 0; i < 24; ++i) {
      v1::JobSpec spec = Method(i % 3 == 0 ? "shot" : "dann");
      (*spec.mutable_labels())["team"] = i % 2 == 0 ? "vision" : "sound";
      (*spec.mutable_labels())["stage"] = i % 4 == 0 ? "test" : "main";
      const v1::Job job = Create(absl::StrCat(i), spec);
      if (i % 5 == 0) {
        EXPECT_TRUE(store_->Update(job.name(), Become(v1::JOB_STATE_FAILED)).ok());
      }
      all_.insert(all_.begin(), Get(absl::StrCat(i)));
    }
    EXPECT_TRUE(store_->Create(Queued("tenants/other/jobs/x", Method("shot")), "", "").ok());
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

TEST_F(JobListTest, PagesHoldEveryJobOnceNewestFirst) {
  for (int page_size : {1, 5, 6, 23, 24, 25}) {
    EXPECT_EQ(Ids(ListAll(AllJobs(page_size))), Ids(all_)) << page_size;
  }
}

TEST_F(JobListTest, FiltersHoldOnEveryPage) {
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

TEST_F(JobListTest, JobsThatComeOrGoMeanwhileMoveNoOther) {
  JobQuery query = AllJobs(6);
  auto page = store_->List(query);
  std::vector<std::string> ids = Ids(page->jobs);
  Create("newer");
  ASSERT_TRUE(
      store_->Delete(page->jobs.back().name(), [](JobChange&) { return absl::OkStatus(); }).ok());
  query.page_token = page->next_page_token;
  for (const std::string& id : Ids(ListAll(query))) ids.push_back(id);
  EXPECT_EQ(ids, Ids(all_));
}

TEST_F(JobListTest, ATokenGoesWithItsQueryOnly) {
  JobQuery query = AllJobs(5);
  query.page_token = store_->List(query)->next_page_token;
  ASSERT_FALSE(query.page_token.empty());
  JobQuery other = query;
  other.method = "shot";
  EXPECT_EQ(store_->List(other).status().code(), absl::StatusCode::kInvalidArgument);
  other = query;
  other.tenant = "other";
  EXPECT_EQ(store_->List(other).status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* made_up : {"x", "MTIz", "!!!!", "LTEKZGVmYXVsdA"}) {
    query.page_token = made_up;
    EXPECT_EQ(store_->List(query).status().code(), absl::StatusCode::kInvalidArgument) << made_up;
  }
}

TEST_F(SqliteJobStoreTest, ADeletedJobLeavesNothing) {
  v1::JobSpec spec;
  (*spec.mutable_labels())["team"] = "vision";
  Create("a", spec);
  const auto refuse = [](JobChange&) { return absl::FailedPreconditionError("it runs"); };
  EXPECT_EQ(store_->Delete(Name("a"), refuse), absl::FailedPreconditionError("it runs"));
  EXPECT_EQ(Get("a").name(), Name("a"));
  const auto agree = [](JobChange&) { return absl::OkStatus(); };
  ASSERT_TRUE(store_->Delete(Name("a"), agree).ok());
  EXPECT_EQ(store_->Get(Name("a")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Events("a"), IsEmpty());
  EXPECT_EQ(store_->Delete(Name("a"), agree).code(), absl::StatusCode::kNotFound);

  Create("a");  // the same name again, with a history of its own
  EXPECT_EQ(Events("a").size(), 1u);
  JobQuery query = AllJobs();
  query.labels = {{"team", "vision"}};
  EXPECT_THAT(ListAll(query), IsEmpty());
}

TEST_F(SqliteJobStoreTest, CountsAndStatesFollowTheJobs) {
  Create("a", Method("shot"));
  Create("b", Method("shot"));
  Create("c", Method("dann"));
  ASSERT_TRUE(store_->Update(Name("b"), Become(v1::JOB_STATE_RUNNING)).ok());
  std::set<std::tuple<int, std::string, int64_t>> counts;
  const auto counted = store_->Counts();
  ASSERT_TRUE(counted.ok()) << counted.status();
  for (const StateCount& count : *counted) {
    counts.emplace(count.state, count.method, count.jobs);
  }
  EXPECT_THAT(counts, ElementsAre(std::make_tuple(v1::JOB_STATE_QUEUED, "dann", 1),
                                  std::make_tuple(v1::JOB_STATE_QUEUED, "shot", 1),
                                  std::make_tuple(v1::JOB_STATE_RUNNING, "shot", 1)));
  const auto oldest = [&](int limit) {
    return Ids(
        *store_->Select({v1::JOB_STATE_QUEUED, std::nullopt, StateQuery::Order::kOldest, limit}));
  };
  EXPECT_THAT(oldest(10), ElementsAre("a", "c"));
  EXPECT_THAT(oldest(1), ElementsAre("a"));
}

TEST_F(SqliteJobStoreTest, SelectsTheFirstJobsOfAState) {
  const auto create = [&](const std::string& name, int priority) {
    ASSERT_TRUE(store_->Create(Queued(name, Method("shot", priority)), "", "").ok());
  };
  create("tenants/a/jobs/old", 0);
  create("tenants/b/jobs/urgent", 5);
  create("tenants/a/jobs/later", 5);
  create("tenants/c/jobs/last", -1);
  create("tenants/a/jobs/running", 9);
  ASSERT_TRUE(store_->Update("tenants/a/jobs/running", Become(v1::JOB_STATE_RUNNING)).ok());
  using Order = StateQuery::Order;
  const auto select = [&](Tenants tenants, Order order, int limit = 10) {
    const auto jobs = store_->Select({v1::JOB_STATE_QUEUED, std::move(tenants), order, limit});
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

TEST_F(SqliteJobStoreTest, CountsTheJobsOfTenants) {
  for (const char* name : {"tenants/a/jobs/1", "tenants/a/jobs/2", "tenants/b/jobs/1"}) {
    ASSERT_TRUE(store_->Create(Queued(name), "", "").ok());
  }
  ASSERT_TRUE(store_->Update("tenants/a/jobs/1", Become(v1::JOB_STATE_FAILED)).ok());
  const auto counts = [&](const Tenants& tenants) { return *store_->CountsOf(tenants); };
  using ::testing::Pair;
  EXPECT_THAT(counts({}),
              ElementsAre(Pair(v1::JOB_STATE_QUEUED, 2), Pair(v1::JOB_STATE_FAILED, 1)));
  EXPECT_THAT(counts({{"b", "none"}}), ElementsAre(Pair(v1::JOB_STATE_QUEUED, 1)));
  EXPECT_THAT(counts(std::set<std::string>()), IsEmpty());
}

TEST_F(SqliteJobStoreTest, AFileOfANewerProgramIsRefused) {
  store_ = nullptr;
  auto connection = Connection::Open(folder_.File("jobs.sqlite"), false);
  ASSERT_TRUE((*connection)->Execute("PRAGMA user_version=1000").ok());
  const auto store = SqliteJobStore::Open(folder_.File("jobs.sqlite"), &metrics_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("1000"));
}

TEST_F(SqliteJobStoreTest, AFileThatIsNoDatabaseIsDamage) {
  const std::string path = folder_.Write("other.sqlite", std::string(8192, 'x'));
  EXPECT_EQ(SqliteJobStore::Open(path, &metrics_).status().code(), absl::StatusCode::kDataLoss);
}

TEST(IsNetworkFileSystemTest, KnowsThoseWhoseLocksDoNotHold) {
  for (int64_t type : {int64_t{NFS_SUPER_MAGIC}, int64_t{SMB2_SUPER_MAGIC},
                       int64_t{CIFS_SUPER_MAGIC}, int64_t{AFS_SUPER_MAGIC}}) {
    EXPECT_TRUE(IsNetworkFileSystem(type)) << type;
  }
  for (int64_t type :
       {int64_t{EXT4_SUPER_MAGIC}, int64_t{XFS_SUPER_MAGIC}, int64_t{BTRFS_SUPER_MAGIC},
        int64_t{TMPFS_MAGIC}, int64_t{OVERLAYFS_SUPER_MAGIC}}) {
    EXPECT_FALSE(IsNetworkFileSystem(type)) << type;
  }
}

}  // namespace
}  // namespace acclimate::jobs
