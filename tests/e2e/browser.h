// A browser without a window, driven over Chromium's debugging pipe.
#ifndef ACCLIMATE_TESTS_E2E_BROWSER_H_
#define ACCLIMATE_TESTS_E2E_BROWSER_H_

#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/e2e/child_process.h"

namespace acclimate::e2e {

class Browser {
 public:
  static bool IsInstalled();

  // One empty page. A browser that does not answer fails the test.
  Browser();
  ~Browser();

  void Open(const std::string& url);
  // What the expression gives, as JSON; null where it throws.
  nlohmann::json Evaluate(const std::string& expression);
  // Whether the expression became true.
  bool WaitFor(const std::string& expression);
  // The text that the first such element shows; empty where there is none.
  std::string Text(const std::string& selector);
  // What the page has logged, thrown, or been refused by its policy.
  const std::vector<std::string>& problems() const { return problems_; }

  // One call of the DevTools protocol; null where it fails.
  nlohmann::json Call(const std::string& method, const nlohmann::json& parameters = {});

 private:
  std::string ReadMessage();
  void Note(const nlohmann::json& event);

  const TemporaryFolder folder_;
  std::unique_ptr<ChildProcess> process_;
  int to_browser_ = -1, from_browser_ = -1;
  std::string unread_, session_;
  int calls_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_BROWSER_H_
