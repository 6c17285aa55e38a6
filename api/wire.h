/* api/wire.h - the management API's paths and words, shared by the server (api/) and poolctl (cli/).
 *
 * Everything is under /api/v1 on the front port and on api.sock. JSON in and out; errors are
 * problem+json (RFC 9457): {"type":"urn:poold:error:no-project","title":MEANING,"status":404,
 * "detail":TEXT,"code":"no-project"} where code is the name in ERR_LIST. POST, PUT and DELETE need
 * `Content-Type: application/json`; the body may be empty. Members that are not named here are
 * refused. docs/api.md says the same in full, printed from the tables in api/routes.c and
 * api/shapes.c.
 *
 * {key} is a project key, {server} a server's name. PATH is an absolute path in the client's view.
 * WHERE is "path":PATH or "project":KEY, one of them.
 *
 *   POST   /ensure            {WHERE, "server"?, "waitMs"? (default startWaitSeconds), "noWait"?,
 *                             "trust"?, "warm"?, "force"?} -> 200 DAEMON (ready; or as it is with
 *                             noWait). With `Accept: application/x-ndjson`: lines
 *                             {"step":"spawned","ms":120} ... and a last line {"daemon":DAEMON} or
 *                             {"problem":PROBLEM}. The problems start-failed, start-timeout and
 *                             conflict have "daemon", start-failed also "tail"
 *   GET    /endpoint?WHERE&server=   -> {"project","projectKey","server","url","directUrl","state",
 *                             "how"}; starts nothing
 *   GET    /why?path=PATH | ?pid=N &server= &showSecrets=1  -> how a request from there would be
 *                             routed ("rule","project","projectKey","how","marker","trusted",
 *                             "server","state","url","steps":[{"rule","result"}]) and "argv","cwd",
 *                             "environment":{NAME:VALUE} of a start, or its "startProblem". The
 *                             problem no-project has "steps" too
 *   GET    /projects          -> [PROJECT]
 *   DELETE /projects/{key}    forget: stops its daemons, drops what is remembered -> {"forgotten"}
 *   POST   /trust             {WHERE, "trusted":true|false} -> PROJECT
 *   GET    /daemons           -> [DAEMON]
 *   GET    /daemons/{key}/{server}          -> DAEMON with "clients" and "lastExits"
 *   POST   /daemons/{key}/{server}/stop     {"now"?:bool} -> 200 DAEMON when it is down
 *   POST   /daemons/{key}/{server}/restart  {"waitMs"?} -> 200 DAEMON when ready; NDJSON as ensure
 *   POST   /daemons/{key}/{server}/evict    {} like stop, but refused (conflict) while it is
 *                             starting, busy or pinned
 *   POST   /daemons/{key}/{server}/pin      {"pinned":bool} -> DAEMON
 *   POST   /stop              {"now"?:bool} all daemons -> {"stopped":N} when they are down
 *   GET    /logs?WHERE&server=&lines=N&follow=1   -> text/plain
 *   GET    /history?WHERE&limit=N      -> [{"at","project","projectKey","server","daemonId","event",
 *                             "reason","detail","tookMs"}], newest first; WHERE may be absent
 *   GET    /settings          -> {"file","fileExists","loadedAt","settings":{name:{value,default,
 *                             unit,min,max,help,perServer,reloadable}},"mcpServers":{...},
 *                             "warnings":[]}
 *   POST   /reload            -> {"file","warnings"} or 422 with the mistake
 *   GET    /health            -> {"status":"ok|degraded","pid","uptimeMs","synced","daemons":{state:
 *                             count},"sessions","registry":"ok|failed","registryProblem","orphans"}
 *                             orphans: what a lost keeper left and is being ended
 *   GET    /version           -> {"version","api":"v1","pid","startedAt","configFile","stateDir",
 *                             "runDir","listen"}
 *   POST   /shutdown          {"keepDaemons"?:bool} -> 202; then poold ends cleanly
 *   GET    /events?project=KEY         -> server-sent events, with Last-Event-ID
 *   GET    /openapi.json      -> all of this as OpenAPI 3.1
 *   GET    /metrics           (at the root, not under /api/v1) Prometheus' text format
 *
 * PROJECT: project projectKey trusted firstUsedAt lastUsedAt daemons[DAEMON]
 * DAEMON: project projectKey server state health{process accepts mcp useful cause} daemonId
 *   generation pid keeperPid port url directUrl sessions inFlight memoryBytes cpuMs idleMs evictInMs
 *   evictWhy startedAt readyAt reason detail tail retryInMs pinned trusted transport step
 *   steps{queuedMs spawnedMs portOpenMs handshakeMs warmMs} starts usualStartMs logFile
 *   (names and meanings fixed by DESIGN section 9 where it has them; null: does not apply)
 * clients: client transport pid cwd program route inFlight oldestCallMs lastUseAt hasStream */
#pragma once

#define API_PREFIX "/api/v1"

/* What the front adds to a relayed request (and strips from clients): "uid=1000" or
 * "uid=1000;pid=4711". */
#define API_PEER_HEADER "X-Poold-Peer"

#define API_JSON "application/json"
#define API_PROBLEM_JSON "application/problem+json"
#define API_NDJSON "application/x-ndjson"
