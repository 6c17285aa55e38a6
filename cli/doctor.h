/* cli/doctor.h - private to `poolctl doctor`: what its checks share. A check looks at one thing
 * that commonly goes wrong and adds findings, each with the command to copy. Nothing is changed or
 * started by any of them, and all work while poold is down. */
#pragma once
#include "cli/running.h"
#include "cli/service.h"
#include "config/config.h"

enum finding { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_PROBLEM, DOCTOR_NOT_APPLICABLE, DOCTOR_COUNT };

struct doctor { /* one call */
    struct cli *cli;
    const struct dirs *dirs;
    const char *at; /* the directory whose project is looked for; is_asked: the user named it */
    bool is_asked;
    struct running running;
    bool answers;                       /* poold does; then the next four are there */
    json_t *health, *version, *daemons; /* daemons also while it is down: last known */
    json_t *settings;
    struct err down;       /* why it does not */
    struct config *config; /* of the file; NULL: config_err says why */
    struct err config_err;
    struct service_look service;
    bool is_service_installed;
    const char *listen; /* HOST:PORT that poold uses, or would */
    char *listen_kept;
    int port;   /* of listen, 0: any */
    char *path; /* PATH that daemons get, as far as it is known */
    json_t *checks;
    int64_t counts[DOCTOR_COUNT];
};

/* Add a finding. text and remedy (NULL: none) are taken over. */
void doctor_add(struct doctor *d, const char *check, enum finding finding, char *text,
                char *remedy);

/* The checks, in the order of the report. */
void doctor_poold(struct doctor *d);  /* runs, answers, registry */
void doctor_port(struct doctor *d);   /* the front's port */
void doctor_config(struct doctor *d); /* mistakes, not reloaded */
void doctor_registry(struct doctor *d);
void doctor_service(struct doctor *d);
void doctor_environment(struct doctor *d);
void doctor_servers(struct doctor *d); /* commands and language servers */
void doctor_clients(struct doctor *d);
void doctor_project(struct doctor *d);
void doctor_daemons(struct doctor *d); /* failed, degraded */
void doctor_limits(struct doctor *d);
void doctor_ports(struct doctor *d); /* strangers on leased ports */
void doctor_orphans(struct doctor *d);

/* Shared small things. */
/* Name of a process of ours ("python3"), or "a process that is not yours". New string. */
char *doctor_process(pid_t pid);
/* Where the program is by this PATH. New string, or NULL. */
char *doctor_which(const char *program, const char *path);
