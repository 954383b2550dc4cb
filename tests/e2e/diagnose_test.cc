// `acclimate diagnose` and the method behind it, over a real server.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/child_process.h"
#include "tests/e2e/server_process.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class DiagnoseTest : public testing::Test {
 protected:
  // Its standard output; the command must end well.
  std::string Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ACCLIMATE_CLI, "--server", server_.address()});
    ChildProcess process(arguments, folder_.File(absl::StrCat("cli", ++started_)));
    EXPECT_EQ(process.Wait(), 0) << process.Stderr();
    return process.Stdout();
  }

  std::string NewFile(const std::string& name, const Images& images, bool with_labels) {
    WriteFile(folder_.File(name), ImageDataset(images, with_labels));
    return folder_.File(name);
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  int started_ = 0;
};

TEST_F(DiagnoseTest, TellsTheShiftInWordsAndNumbers) {
  const std::string source = NewFile("source.safetensors", {}, true);
  const std::string shifted =
      NewFile("shifted.safetensors", {.shift = 0.6, .seed = 5}, /*with_labels=*/false);
  Run({"train", "--architecture", "lenet", "--data", source, "--set", "epochs=3", "--out",
       folder_.File("model")});
  const std::string model = folder_.File("model/model.safetensors");

  const std::string out = folder_.File("diagnosis");
  const Json json = Json::parse(Run({"diagnose", "--checkpoint", model, "--source", source,
                                     "--target", shifted, "--out", out, "--json"}),
                                nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["diagnosis"]["verdict"]["kinds"].front(), "covariate") << json.dump(1);
  EXPECT_EQ(json["diagnosis"]["matrix"]["places"].front(), "inputs");
  EXPECT_TRUE(std::filesystem::exists(out + "/report.json"));

  const std::string text = Run({"diagnose", "--checkpoint", model, "--source", source, "--target",
                                shifted, "--set", "permutations=999"});
  EXPECT_THAT(text, HasSubstr("Covariate shift"));
  EXPECT_THAT(text, HasSubstr("methods that fit: "));
  EXPECT_THAT(text, HasSubstr("a_distance"));
  EXPECT_THAT(text, HasSubstr("lambda"));

  // The same by its method's name, and a request for labels that comes as a file.
  Run({"adapt", "--method", "diagnose", "--checkpoint", model, "--source", source, "--target",
       shifted, "--out", folder_.File("adapt")});
  EXPECT_TRUE(std::filesystem::exists(folder_.File("adapt/report.json")));
  Run({"adapt", "--method", "concept_shift", "--checkpoint", model, "--target", shifted, "--out",
       folder_.File("requests")});
  EXPECT_TRUE(std::filesystem::exists(folder_.File("requests/active_request.safetensors")));
}

}  // namespace
}  // namespace acclimate::e2e
