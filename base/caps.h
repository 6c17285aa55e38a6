/* base/caps.h - every size limit that protects poold from a peer, in one place. Bytes. */
#pragma once

#define CAP_HEAD (32 * 1024)                /* an HTTP head */
#define CAP_HEADERS 100                     /* header fields in a head */
#define CAP_BODY (4 * 1024 * 1024)          /* an MCP request body: the daemons' own limit */
#define CAP_OUT (256 * 1024)                /* unsent bytes to one peer before its source pauses */
#define CAP_MESSAGE (64 * 1024 * 1024)      /* a message that must be held whole (HTTP+SSE) */
#define CAP_HELD (16 * 1024 * 1024)         /* of one client's answers, held until each is whole */
#define CAP_HANDSHAKE (1024 * 1024)         /* an initialize answer */
#define CAP_EVENT (64 * 1024)               /* an SSE event that is longer goes on in parts */
#define CAP_REPLAY (1024 * 1024)            /* kept of one response stream, to be resumed */
#define CAP_REPLAYS (8 * 1024 * 1024)       /* of all of them */
#define CAP_REPLAYS_SENT (512 * 1024)       /* of those whose answer has left for a living client */
#define CAP_CONNECTIONS 4096                /* client connections */
#define CAP_API_RELAYS 64                   /* relayed API requests at once */
#define CAP_SESSIONS 10000                  /* sessions in memory */
#define CAP_CONFIG (1024 * 1024)            /* the configuration file */
#define CAP_KEEPER_FRAME (16 * 1024 * 1024) /* one frame on a keeper's socket */
#define CAP_API_BODY (256 * 1024)           /* an API request body */
