"""What annotation tools write and read: a module for each, with its reader and its writer."""
