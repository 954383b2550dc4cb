#include "client/cli/fetched_report.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/following.h"

namespace acclimate::cli {
namespace {

// A folder that goes when this does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

absl::StatusOr<Json> FetchReport(Invocation& invocation, const v1::Job& job,
                                 const std::vector<std::string>& fields) {
  const TemporaryFolder temporary;
  const std::string out = invocation.arguments.Text("out", temporary.path());
  auto fetched = FetchResult(invocation, job, out);
  if (!fetched.ok()) return fetched.status();
  std::ifstream file(out + "/report.json");
  Json report = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  for (const std::string& field : fields) {
    if (!report.is_object() || !report.contains(field)) {
      return absl::DataLossError(absl::StrCat("the server's report has no ", field));
    }
  }
  return report;
}

}  // namespace acclimate::cli
