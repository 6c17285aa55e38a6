/* cli/service_linux.c - this system's service manager. */
#include "cli/service.h"

const struct service_manager *const service_native = &service_systemd;
