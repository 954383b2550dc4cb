// The status page of a real server in a browser without a window.
#include <signal.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/sha256.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/browser.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kMarkup[] = "<script>ran = 1</script><img src=x onerror='ran = 2'>";

std::string IdOf(const v1::Job& job) { return client::LastSegment(job.name()); }

// The list of texts of all such elements.
json Texts(Browser& browser, const std::string& selector) {
  return browser.Evaluate("[...document.querySelectorAll(" + json(selector).dump() +
                          ")].map((node) => node.innerText)");
}

std::string UrlOf(const ServerProcess& server) {
  return "http://" + server.metrics_address() + "/ui";
}

class StatusPageInBrowserTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Browser::IsInstalled()) GTEST_SKIP() << "chromium is not installed: nothing is drawn";
  }
  static bool Live(Browser& browser) {
    return browser.WaitFor("document.querySelector('#live')?.innerText === 'Live'");
  }
};

// One job in each state that a client can bring about. The server has two slots.
class JobsInEveryState {
 public:
  explicit JobsInEveryState(const ServerProcess& server)
      : server_(server), api_(server), data_(api_.Upload(ImageDataset({.count = 200}, true))) {
    v1::JobSpec spec = TrainingSpec(data_, /*epochs=*/2);
    spec.mutable_target()->set_display_name(kMarkup);
    (*spec.mutable_labels())["note"] = kMarkup;
    succeeded = api_.WaitForEnd(Create(spec).name());
    spec = TrainingSpec(api_.Upload("this is no data set"));
    spec.mutable_target()->set_display_name("broken.npz");
    failed = api_.WaitForEnd(Create(spec).name());

    running = api_.WaitForStep(Create(EndlessSpec(data_)).name(), 5);
    HoldInStarting();
    spec = EndlessSpec(data_);
    spec.set_priority(-7);
    queued = Create(spec);
    cancelled = *api_.Cancel(Create(spec).name());
  }

  // Makes `starting` a new job, for which the free slot's worker is held still.
  void HoldInStarting() {
    EXPECT_TRUE(WaitUntil([&] { return Node()["warm_workers"] == 1; }));
    const std::vector<pid_t> busy = server_.WorkersOn(data_);
    for (const pid_t worker : server_.Workers()) {
      if (std::find(busy.begin(), busy.end(), worker) == busy.end()) kill(worker, SIGSTOP);
    }
    v1::JobSpec spec = EndlessSpec(data_);
    spec.set_priority(7);
    starting = Create(spec);
  }
  // It is CANCELLING until its worker, which does not stop by itself, is killed some seconds later.
  void CancelStarting() { EXPECT_TRUE(api_.Cancel(starting.name()).ok()); }

  v1::Job succeeded, failed, running, starting, queued, cancelled;

 private:
  v1::Job Create(const v1::JobSpec& spec) {
    const auto job = api_.Create(spec);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : v1::Job();
  }
  json Node() const {
    const std::string state = HttpGet(server_.metrics_address(), "/ui/state.json").body;
    return json::parse(state, nullptr, /*allow_exceptions=*/false)["nodes"][0];
  }

  const ServerProcess& server_;
  ApiClient api_;
  const std::string data_;
};

TEST_F(StatusPageInBrowserTest, ShowsJobsInEveryState) {
  // A spare worker would take the job that is to be held.
  ServerProcess server(/*slots=*/2, {"--spare-worker=false"});
  JobsInEveryState jobs(server);
  Browser browser;
  browser.Open(UrlOf(server));
  ASSERT_TRUE(Live(browser));

  ASSERT_TRUE(browser.WaitFor("document.querySelectorAll('#active article').length === 2"));
  EXPECT_THAT(Texts(browser, "#active .badge"), Contains("RUNNING"));
  EXPECT_THAT(Texts(browser, "#active .badge"), Contains("STARTING"));
  EXPECT_THAT(browser.Text("#active"), HasSubstr(jobs.running.name()));
  EXPECT_THAT(browser.Text("#active"), HasSubstr(jobs.starting.name()));
  EXPECT_THAT(browser.Text("#queued"), HasSubstr(IdOf(jobs.queued)));
  EXPECT_THAT(browser.Text("#queued"), HasSubstr("-7"));
  EXPECT_THAT(browser.Text("#failed"), HasSubstr(jobs.failed.name()));
  EXPECT_THAT(browser.Text("#failed"), HasSubstr("broken.npz"));
  EXPECT_THAT(browser.Text("#failed"), HasSubstr(jobs.failed.error().message()));
  EXPECT_THAT(browser.Text("#failed"), HasSubstr("cause: user error"));
  EXPECT_THAT(browser.Text("#failed"), HasSubstr("last phase: loading data"));
  EXPECT_THAT(browser.Text("#ended"), HasSubstr(IdOf(jobs.succeeded)));
  EXPECT_THAT(browser.Text("#ended"), HasSubstr(IdOf(jobs.cancelled)));
  EXPECT_THAT(Texts(browser, "#ended .badge"), Contains("SUCCEEDED"));
  EXPECT_THAT(Texts(browser, "#ended .badge"), Contains("CANCELLED"));
  EXPECT_THAT(browser.Text("#nodes"), HasSubstr("2 of 2 slots busy"));
  EXPECT_EQ(browser.Evaluate("document.title"), "2 running, 1 queued - Acclimate");

  // Texts of users are texts.
  EXPECT_THAT(browser.Text("#ended"), HasSubstr(kMarkup));
  EXPECT_THAT(browser.Text("#ended"), HasSubstr(absl::StrCat("note: ", kMarkup)));
  EXPECT_TRUE(browser.Evaluate("window.ran === undefined && document.scripts.length === 1 && "
                               "document.images.length === 0") == true);

  // It moves, and draws a curve of more than one point.
  EXPECT_TRUE(
      browser.WaitFor("/L/.test(document.querySelector('#active path.line')"
                      "?.getAttribute('d'))"));
  const std::string facts = browser.Text("#active .facts");
  EXPECT_THAT(facts, HasSubstr("training"));
  EXPECT_TRUE(browser.WaitFor("document.querySelector('#active .facts').innerText !== " +
                              json(facts).dump()));

  // From nowhere but the server itself; nothing was refused by the policy, and nothing thrown.
  EXPECT_TRUE(browser.Evaluate("performance.getEntriesByType('resource').every((entry) => "
                               "entry.name.startsWith(location.origin + '/ui/'))") == true);
  EXPECT_THAT(browser.problems(), IsEmpty());

  // The figures of docs/performance.md; only the size has a limit that no slow machine misses.
  const int bytes =
      browser.Evaluate("performance.getEntriesByType('navigation')[0].transferSize").get<int>();
  EXPECT_GT(bytes, 0);
  EXPECT_LT(bytes, 200 << 10);
  std::printf("page: %d bytes, first paint after %.0f ms\n", bytes,
              browser
                  .Evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime "
                            "?? -1")
                  .get<double>());

  // A narrow screen scrolls in one direction.
  browser.Call("Emulation.setDeviceMetricsOverride",
               {{"width", 360}, {"height", 800}, {"deviceScaleFactor", 1}, {"mobile", true}});
  EXPECT_LE(browser.Evaluate("document.documentElement.scrollWidth").get<int>(), 360);

  // A page that stands still for as long as this state lasts would miss it: once more, then.
  bool seen_cancelling = false;
  for (int i = 0; i < 5 && !seen_cancelling; ++i) {
    if (i > 0) jobs.HoldInStarting();
    jobs.CancelStarting();
    const std::string ended =
        "document.querySelector('#ended').textContent.includes('" + IdOf(jobs.starting) + "')";
    EXPECT_TRUE(browser.WaitFor("document.querySelector('#active .badge.cancelling') !== null || " +
                                ended));
    seen_cancelling = browser.Evaluate("!" + ended) == true;
    EXPECT_TRUE(browser.WaitFor(ended));
  }
  EXPECT_TRUE(seen_cancelling);
}

TEST_F(StatusPageInBrowserTest, LinksToTheReport) {
  ServerProcess server;
  ApiClient api(server);
  const auto created =
      api.Create(TrainingSpec(api.Upload(ImageDataset({.count = 200}, true)), /*epochs=*/1));
  ASSERT_TRUE(created.ok()) << created.status();
  const v1::Job job = api.WaitForEnd(created->name());
  Browser browser;
  browser.Open(UrlOf(server));
  ASSERT_TRUE(browser.WaitFor("document.querySelector('#ended a') !== null"));
  const json link = browser.Evaluate("document.querySelector('#ended a').href");
  ASSERT_TRUE(link.is_string());
  browser.Open(link);
  ASSERT_TRUE(browser.WaitFor("document.querySelector('.verdict') !== null"));
  EXPECT_GT(browser.Evaluate("document.querySelectorAll('section').length").get<int>(), 0);
  // Apart from the page: it could not read what the page can.
  EXPECT_EQ(browser.Evaluate("window.origin"), "null");
  EXPECT_THAT(browser.problems(), IsEmpty());
  const HttpAnswer report = HttpGet(server.metrics_address(), "/ui/report?job=" + job.name());
  EXPECT_EQ(report.body, api.DownloadFile(job, "report.html"));
}

TEST_F(StatusPageInBrowserTest, SaysSinceWhenTheServerIsGone) {
  ServerProcess server(/*slots=*/0);
  ApiClient api(server);
  const auto job = api.Create(TrainingSpec(api.Upload(ImageDataset({.count = 20}, true))));
  ASSERT_TRUE(job.ok()) << job.status();
  Browser browser;
  browser.Open(UrlOf(server));
  ASSERT_TRUE(Live(browser));
  server.Kill();
  EXPECT_TRUE(
      browser.WaitFor("document.querySelector('#live').innerText"
                      ".startsWith('The server does not answer since ')"));
  EXPECT_THAT(browser.Text("#queued"), HasSubstr(IdOf(*job))) << "what was known stays";
  server.Start();
  EXPECT_TRUE(Live(browser));
  EXPECT_THAT(browser.Text("#queued"), HasSubstr(IdOf(*job)));
}

TEST_F(StatusPageInBrowserTest, AsksForATokenWhereTheServerDoes) {
  const TemporaryFolder folder;
  WriteFile(folder.File("access"),
            absl::StrCat("alice token-sha256:", artifacts::Sha256Of("token-of-alice"),
                         " default:viewer\n"));
  ServerProcess server(/*slots=*/0, {"--access-file", folder.File("access")});
  Browser browser;
  browser.Open(UrlOf(server));
  ASSERT_TRUE(browser.WaitFor("document.querySelector('#ask')?.hidden === false"));
  // It asks before the server has to refuse.
  EXPECT_THAT(HttpGet(server.metrics_address(), "/metrics").body,
              Not(HasSubstr("acclimate_authentication_failures_total{")));

  const auto give = [&](const std::string& token) {
    browser.Evaluate("document.querySelector('#token').value = " + json(token).dump() +
                     "; document.querySelector('#ask-form').requestSubmit()");
  };
  give("token-of-nobody");
  EXPECT_TRUE(browser.WaitFor("document.querySelector('#ask-error').hidden === false"));
  EXPECT_THAT(browser.Text("#ask-error"), HasSubstr("not one that the server knows"));
  EXPECT_THAT(HttpGet(server.metrics_address(), "/metrics").body,
              HasSubstr("failures_total{reason=\"TOKEN_UNKNOWN\"} 1"));
  give("token-of-alice");
  EXPECT_TRUE(Live(browser));
  EXPECT_EQ(browser.Text("#subject"), "alice");
  EXPECT_TRUE(browser.Evaluate("document.querySelector('#ask').hidden && localStorage.length === 0 "
                               "&& document.cookie === ''") == true);

  browser.Open(UrlOf(server));
  EXPECT_TRUE(Live(browser)) << "the tab keeps the token";
  browser.Evaluate("document.querySelector('#forget').click()");
  EXPECT_TRUE(browser.WaitFor("document.querySelector('#ask').hidden === false"));
  EXPECT_EQ(browser.Evaluate("sessionStorage.length"), 0);
  EXPECT_EQ(browser.Text("#figures") + browser.Text("#nodes"), "") << "the data goes with it";
}

// Otherwise the absence of problems would prove nothing.
TEST_F(StatusPageInBrowserTest, ThePolicyRefusesWhatIsNotOfThePage) {
  ServerProcess server(/*slots=*/0);
  Browser browser;
  browser.Open(UrlOf(server));
  ASSERT_TRUE(Live(browser));
  browser.Evaluate(
      "document.body.append(Object.assign(document.createElement('script'), "
      "{textContent: 'window.ran = 1'}))");
  browser.Evaluate(
      "document.body.append(Object.assign(document.createElement('img'), "
      "{src: 'data:image/gif;base64,R0lGODlhAQABAAAAACw='}))");
  EXPECT_EQ(browser.Evaluate("window.ran ?? 'refused'"), "refused");
  EXPECT_TRUE(WaitUntil([&] {
    browser.Evaluate("0");
    return browser.problems().size() >= 2;
  }));
}

TEST(StatusPageTest, IsOffWhereOthersReachItUnlessAskedFor) {
  const auto status_of_page = [](const std::vector<std::string>& flags) {
    const ServerProcess server(/*slots=*/0, flags);
    EXPECT_EQ(HttpGet(server.metrics_address(), "/metrics").status, 200);
    return HttpGet(server.metrics_address(), "/ui").status;
  };
  EXPECT_EQ(status_of_page({}), 200);
  EXPECT_EQ(status_of_page({"--ui=off"}), 404);
  EXPECT_EQ(status_of_page({"--metrics-listen=0.0.0.0:0"}), 404);
  EXPECT_EQ(status_of_page({"--metrics-listen=0.0.0.0:0", "--ui=on", "--insecure"}), 200);
}

}  // namespace
}  // namespace acclimate::e2e
