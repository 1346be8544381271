-- How many orders of an account were refused lately.
CREATE INDEX refused_sale_of_user ON refused_sale (user_id, at);
