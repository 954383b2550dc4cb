// Every method of the catalogue, stopped anywhere and resumed in new processes, ends bit-equal to
// one that ran through; some of them also in bf16. A new method is in this test by being
// registered.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using testing::NewFolder;
using testing::ReadText;
using testing::SpecFor;
using testing::TestObserver;
using testing::World;

constexpr char kLastState[] = "/training_state.safetensors";

// Batch norm, dropout and a bottleneck: everything that has state.
const std::string& WorldOfImages() {
  static const auto* const kFolder =
      new std::string(std::filesystem::path(World("resume", "dtn", {1, 8, 8}).Path("")));
  return *kFolder;
}

const std::string& WorldOfVectors() {
  static const auto* const kFolder =
      new std::string(std::filesystem::path(World("resume_vectors", "mlp", {12}).Path("")));
  return *kFolder;
}

// With data that the method takes.
const std::string& WorldFolder(const std::string& method) {
  for (const methods::MethodSpec& spec : Catalog()) {
    if (spec.name == method && spec.needs_vectors) return WorldOfVectors();
  }
  return WorldOfImages();
}

// Runs `arguments` to its end and returns its exit status.
int Execute(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Everything of a run that must not depend on how often it was stopped.
std::string Outcome(const std::string& folder) {
  std::string outcome;
  for (const char* file :
       {"/model.safetensors", "/changed.safetensors", "/probabilities.safetensors"}) {
    if (std::filesystem::exists(folder + file)) outcome += ReadText(folder + file);
  }
  nlohmann::json report = nlohmann::json::parse(ReadText(folder + "/report.json"));
  report.erase("seconds");
  report.erase("cost");
  return outcome + report.dump();
}

struct Case {
  std::string method, precision;
};

class ResumeTest : public ::testing::TestWithParam<Case> {};

TEST_P(ResumeTest, EndsBitEqual) {
  const auto& [method, precision] = GetParam();
  const std::string straight = NewFolder("straight");
  TestObserver observer;
  RunSpec spec = SpecFor(method, WorldFolder(method), straight);
  spec.precision = precision;
  const absl::StatusOr<RunResult> run = job::Run(spec, observer);
  ASSERT_TRUE(run.ok()) << run.status();

  // Questions come before every step and within passes, so a random question is a random place.
  std::mt19937 random(std::hash<std::string>()(method));
  for (int chain = 0; chain < 2; ++chain) {
    const std::string out = NewFolder("resumed");
    std::string state = "-";
    int64_t left = observer.questions;
    for (int stop = 0; stop < 2 && left > 0; ++stop) {
      const int64_t pause_after = std::uniform_int_distribution<int64_t>(1, left)(random);
      SCOPED_TRACE("paused after " + std::to_string(pause_after) + " questions");
      ASSERT_EQ(Execute({RESUME_RUNNER, method, precision, WorldFolder(method), out, state,
                         std::to_string(pause_after)}),
                0);
      ASSERT_TRUE(std::filesystem::exists(out + kLastState));
      state = out + "/state_" + std::to_string(stop);
      std::filesystem::rename(out + kLastState, state);
      left -= pause_after;
    }
    ASSERT_EQ(Execute({RESUME_RUNNER, method, precision, WorldFolder(method), out, state, "0"}), 0);
    EXPECT_TRUE(Outcome(straight) == Outcome(out)) << "chain " << chain;
  }
}

std::vector<Case> AllMethods() {
  std::vector<Case> cases;
  for (const methods::MethodSpec& spec : Catalog()) cases.push_back({spec.name, "auto"});
  return cases;
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) { return info.param.method; }

INSTANTIATE_TEST_SUITE_P(Catalog, ResumeTest, ::testing::ValuesIn(AllMethods()), NameOf);

// Of every kind of training: adversarial, on pseudo-labels, with a teacher of its own, through
// frozen layers whose output is kept.
INSTANTIATE_TEST_SUITE_P(Bf16, ResumeTest,
                         ::testing::Values(Case{"dann", "bf16"}, Case{"shot", "bf16"},
                                           Case{"cotta", "bf16"}, Case{"progressive", "bf16"}),
                         NameOf);

}  // namespace
}  // namespace acclimate::job
