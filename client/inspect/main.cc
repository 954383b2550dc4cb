// acclimate-inspect ARCHITECTURE SHAPE FILE...
//
// Describes files as one JSON list on stdout: for `acclimate inspect`, which knows no LibTorch.
// ARCHITECTURE and SHAPE ("3,32,32") may be empty. Samples of the first data file among them are
// what the checkpoints are to take where no SHAPE is given.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/inspect/file_description.h"
#include "core/io/mapped_file.h"

namespace acclimate::inspect {
namespace {

using nlohmann::ordered_json;

struct File {
  std::string path;
  std::shared_ptr<io::MappedFile> mapped;
  std::string error;
};

std::vector<int64_t> ShapeOf(const std::string& text) {
  std::vector<int64_t> shape;
  for (const absl::string_view size : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    int64_t number = 0;
    if (absl::SimpleAtoi(size, &number)) shape.push_back(number);
  }
  return shape;
}

int Run(const std::vector<std::string>& words) {
  if (words.size() < 3) {
    std::fputs("usage: acclimate-inspect ARCHITECTURE SHAPE FILE...\n", stderr);
    return 2;
  }
  Question question{words[0], ShapeOf(words[1])};
  std::vector<ordered_json> descriptions(words.size() - 2);
  // Data first: checkpoints are asked whether they take their samples.
  for (const bool data : {true, false}) {
    for (size_t i = 0; i < descriptions.size(); ++i) {
      const auto file = io::MappedFile::Open(words[i + 2]);
      if (!file.ok()) {
        descriptions[i] = {{"file", words[i + 2]},
                           {"problems", {std::string(file.status().message())}}};
        continue;
      }
      if ((KindOf(*file) != FileKind::kCheckpoint) != data) continue;
      descriptions[i] = Describe(*file, question);
      if (question.sample_shape.empty() && descriptions[i].contains("sample_shape")) {
        question.sample_shape = descriptions[i]["sample_shape"].get<std::vector<int64_t>>();
      }
    }
  }
  const ordered_json list = descriptions;
  std::puts(list.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace acclimate::inspect

int main(int argc, char** argv) { return acclimate::inspect::Run({argv + 1, argv + argc}); }
