// Classes that files name by texts: a column of a table, or the folders of pictures.
#ifndef ACCLIMATE_CORE_DATA_CLASS_NAMES_H_
#define ACCLIMATE_CORE_DATA_CLASS_NAMES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::data {

// The class of each sample as its file has it: few different texts.
class ClassTexts {
 public:
  // place: where in the file, for messages: "line 7".
  void Add(absl::string_view text, absl::string_view place);
  int64_t size() const { return static_cast<int64_t>(samples_.size()); }
  bool empty() const { return samples_.empty(); }

  // int64 [size()]. Texts that are all among `names` are places in it. Where there are no names, or
  // none fits: whole numbers, if `numbers_count`, are classes themselves; other texts become names
  // in the order of their bytes, if there were none. INVALID_ARGUMENT names the first text that is
  // no class, and its place.
  absl::StatusOr<at::Tensor> ToClasses(const std::string& file, bool numbers_count,
                                       std::vector<std::string>& names) const;

 private:
  struct Text {
    std::string text, place;
  };

  absl::StatusOr<std::vector<int64_t>> ClassesOfTexts(const std::string& file, bool numbers_count,
                                                      std::vector<std::string>& names) const;
  absl::StatusOr<std::vector<int64_t>> ByName(const std::string& file,
                                              const std::vector<std::string>& names) const;
  // NOT_FOUND: not all are numbers; OUT_OF_RANGE: one is not whole.
  absl::StatusOr<std::vector<int64_t>> ByNumber(const std::string& file) const;

  std::vector<Text> texts_;                            // in the order of their first sample
  std::map<std::string, int32_t, std::less<>> index_;  // into texts_
  std::vector<int32_t> samples_;                       // index of each one's text
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_CLASS_NAMES_H_
