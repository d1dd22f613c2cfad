/*
 * Accounts as admins see and change them, and the record of what happened to them.
 */
#include "users.h"
