// What the libraries of the server log becomes lines of its own log.
#ifndef ACCLIMATE_SERVER_BASE_LIBRARY_LOGS_H_
#define ACCLIMATE_SERVER_BASE_LIBRARY_LOGS_H_

namespace acclimate {

// gRPC and Protobuf write text of their own to stderr when a client sends what they cannot read.
// From here on each such message is one line of log.h, with the field `library`. Call before any
// thread starts.
void RouteLibraryLogs();

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_LIBRARY_LOGS_H_
