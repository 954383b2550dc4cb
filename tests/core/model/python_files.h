// Files that a script in Python makes at test time, and the script itself to ask about others.
#ifndef ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FILES_H_
#define ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FILES_H_

#include <string>

#include "tests/core/model/python_process.h"

namespace acclimate::model {

// What SCRIPT of this folder makes with its command "make", made by the first test process that
// needs it and kept in the build folder for the next. Not thread-safe.
class PythonFiles {
 public:
  // name: of the script, without ".py". usable: whether this Python has what the script needs,
  // which is asked only if the files are not there yet.
  PythonFiles(const std::string& name, const std::string& python, bool (*usable)());
  ~PythonFiles();
  PythonFiles(const PythonFiles&) = delete;
  PythonFiles& operator=(const PythonFiles&) = delete;

  // False when there is no usable Python.
  bool available() const { return available_; }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  // A path of this process alone, for what a test writes.
  std::string ScratchPath(const std::string& name) const { return scratch_ + "/" + name; }
  // Whether the command of the script succeeded.
  bool Run(const std::string& command) { return process_.Run(command); }

 private:
  bool Made() const;
  bool Make(bool (*usable)());

  const std::string script_, folder_;
  PythonProcess process_;
  std::string scratch_;
  bool available_ = false;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FILES_H_
