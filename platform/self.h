/* platform/self.h - our own executable. */
#pragma once

/* Path of the program of this name beside our own executable: new string, NULL if the system does
 * not say where we are. It need not exist. */
char *self_sibling(const char *name);
