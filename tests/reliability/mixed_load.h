// Clients that do everything the API offers, at random, and remember what they were told.
#ifndef ACCLIMATE_TESTS_RELIABILITY_MIXED_LOAD_H_
#define ACCLIMATE_TESTS_RELIABILITY_MIXED_LOAD_H_

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/api_client.h"
#include "tests/e2e/server_process.h"
#include "tests/reliability/acknowledged_work.h"
#include "tests/reliability/event_log.h"

namespace acclimate::reliability {

// Creates with request ids, and the same request again; uploads and pins, and unpins; watches from
// a random cursor; cancels, pauses, resumes, deletes; gets and lists. The server may be killed and
// started again meanwhile, and may collect what is not pinned and of no job.
class MixedLoad {
 public:
  // `data`: a pinned blob to train on. No more than `most_open` jobs are open at a time.
  MixedLoad(const e2e::ServerProcess& server, const std::string& data, int clients,
            int64_t most_open);
  ~MixedLoad();

  void Stop();
  // After Stop(): every job comes to its end.
  void Settle(e2e::ApiClient& api);
  // I1 to I4 of all that was done, after Settle().
  void Check(e2e::ApiClient& api);
  int64_t calls() const { return calls_; }

 private:
  class Client;

  AcknowledgedWork work_;
  EventLog log_;
  const std::string data_;
  const int64_t most_open_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> calls_{0};
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_MIXED_LOAD_H_
