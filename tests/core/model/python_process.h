// A script in Python that stays and answers requests: starting Python with torch takes seconds.
#ifndef ACCLIMATE_TESTS_CORE_MODEL_PYTHON_PROCESS_H_
#define ACCLIMATE_TESTS_CORE_MODEL_PYTHON_PROCESS_H_

#include <sys/types.h>

#include <string>

namespace acclimate::model {

// Runs `PYTHON SCRIPT serve`, which reads one command a line from its standard input and answers
// "done" or "failed" on its standard output; what went wrong is on its standard error, the test's
// own.
//   PythonProcess python("/usr/bin/python3", "models.py");
//   EXPECT_TRUE(python.Run("check saved.pt expected.pt"));
// Not thread-safe. The process starts with the first command and ends with this object.
class PythonProcess {
 public:
  PythonProcess(const std::string& python, const std::string& script)
      : python_(python), script_(script) {}
  ~PythonProcess();
  PythonProcess(const PythonProcess&) = delete;
  PythonProcess& operator=(const PythonProcess&) = delete;

  // Whether the command succeeded. Its words contain no space.
  bool Run(const std::string& command);

 private:
  bool Start();
  bool Send(const std::string& line);
  std::string Answer();

  const std::string python_, script_;
  pid_t process_ = 0;
  int socket_ = -1;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_TESTS_CORE_MODEL_PYTHON_PROCESS_H_
