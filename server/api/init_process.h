// What the first process of a container owes to the others in it.
#ifndef ACCLIMATE_SERVER_API_INIT_PROCESS_H_
#define ACCLIMATE_SERVER_API_INIT_PROCESS_H_

#include <optional>

namespace acclimate::api {

// Where this process is number 1: forks; the child, which gets nullopt, goes on as the server, and
// this one passes SIGTERM and SIGINT on to it and buries every process that nobody else waits for,
// as those that a shell inside the container leaves. Returns the server's exit code, 128 and the
// signal's number where a signal ended it. Elsewhere nullopt at once. Call before any thread
// starts.
std::optional<int> RunAsInit();

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_INIT_PROCESS_H_
