#include "server/base/library_logs.h"

#include <grpc/support/log.h>

#include <string>

#include "google/protobuf/stubs/logging.h"
#include "server/base/log.h"

namespace acclimate {
namespace {

void OnGrpcLog(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kError
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  Log(level, args->message, {{"library", "grpc"}, {"file", args->file}, {"line", args->line}});
}

void OnProtobufLog(google::protobuf::LogLevel protobuf_level, const char* file, int line,
                   const std::string& message) {
  const LogLevel level = protobuf_level == google::protobuf::LOGLEVEL_INFO      ? LogLevel::kInfo
                         : protobuf_level == google::protobuf::LOGLEVEL_WARNING ? LogLevel::kWarning
                                                                                : LogLevel::kError;
  Log(level, message, {{"library", "protobuf"}, {"file", file}, {"line", line}});
}

}  // namespace

void RouteLibraryLogs() {
  gpr_set_log_function(&OnGrpcLog);
  google::protobuf::SetLogHandler(&OnProtobufLog);
}

}  // namespace acclimate
