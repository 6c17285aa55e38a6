/* api/handlers.h - the handlers of the route table (api/routes.c), by file. Each answers, or
 * arranges for an answer, and returns at once. */
#pragma once

struct request;

/* on_ensure.c: what waits for a start */
void on_ensure(struct request *r);
void on_daemon_restart(struct request *r);
/* on_stop.c: what waits for an end */
void on_daemon_stop(struct request *r);
void on_daemon_evict(struct request *r);
void on_stop_all(struct request *r);
void on_project_forget(struct request *r);
/* on_daemons.c */
void on_daemons(struct request *r);
void on_daemon(struct request *r);
void on_daemon_pin(struct request *r);
/* on_projects.c */
void on_projects(struct request *r);
void on_trust(struct request *r);
/* on_places.c */
void on_endpoint(struct request *r);
void on_why(struct request *r);
/* on_logs.c */
void on_logs(struct request *r);
/* on_status.c */
void on_history(struct request *r);
void on_settings(struct request *r);
void on_reload(struct request *r);
void on_health(struct request *r);
void on_version(struct request *r);
void on_shutdown(struct request *r);
/* events.c */
void on_events(struct request *r);
/* on_metrics.c */
void on_metrics(struct request *r);
void on_openapi(struct request *r);
