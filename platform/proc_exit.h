/* platform/proc_exit.h - the end of a process that is not our child, as a descriptor. */
#pragma once
#include "platform/proc.h"

/* A descriptor that becomes readable when this very process ends (the caller closes it). -1: the
 * system has none, or the process is gone already. */
int proc_exit_fd(struct proc_id id);
