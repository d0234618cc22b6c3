package eval

// city is a place that the data knows.
type city struct {
	name     string
	lat, lon float64
	utc      float64 // hours
}

// country has the share of users that its logins have in RBA's data set, in millions of rows; those below 0.4 million
// are guesses.
type country struct {
	code   string
	share  float64
	cities [3]city
}

var earth = [20]country{
	{"NO", 13.2, [3]city{{"Oslo", 59.9, 10.7, 1}, {"Bergen", 60.4, 5.3, 1}, {"Trondheim", 63.4, 10.4, 1}}},
	{"US", 8.7, [3]city{{"New York", 40.7, -74.0, -5}, {"Chicago", 41.9, -87.6, -6}, {"Los Angeles", 34.1, -118.2, -8}}},
	{"RU", 1.7, [3]city{{"Moscow", 55.8, 37.6, 3}, {"Saint Petersburg", 59.9, 30.3, 3}, {"Novosibirsk", 55.0, 82.9, 7}}},
	{"BR", 1.2, [3]city{{"São Paulo", -23.6, -46.6, -3}, {"Rio de Janeiro", -22.9, -43.2, -3}, {"Brasília", -15.8, -47.9, -3}}},
	{"DE", .9, [3]city{{"Berlin", 52.5, 13.4, 1}, {"Hamburg", 53.6, 10.0, 1}, {"Munich", 48.1, 11.6, 1}}},
	{"PL", .9, [3]city{{"Warsaw", 52.2, 21.0, 1}, {"Kraków", 50.1, 19.9, 1}, {"Gdańsk", 54.4, 18.6, 1}}},
	{"IN", .45, [3]city{{"Mumbai", 19.1, 72.9, 5.5}, {"Delhi", 28.6, 77.2, 5.5}, {"Bengaluru", 13.0, 77.6, 5.5}}},
	{"GB", .4, [3]city{{"London", 51.5, -0.1, 0}, {"Manchester", 53.5, -2.2, 0}, {"Glasgow", 55.9, -4.3, 0}}},
	{"UA", .4, [3]city{{"Kyiv", 50.5, 30.5, 2}, {"Lviv", 49.8, 24.0, 2}, {"Odesa", 46.5, 30.7, 2}}},
	{"AU", .4, [3]city{{"Sydney", -33.9, 151.2, 10}, {"Melbourne", -37.8, 145.0, 10}, {"Perth", -32.0, 115.9, 8}}},
	{"SE", .35, [3]city{{"Stockholm", 59.3, 18.1, 1}, {"Gothenburg", 57.7, 12.0, 1}, {"Malmö", 55.6, 13.0, 1}}},
	{"DK", .35, [3]city{{"Copenhagen", 55.7, 12.6, 1}, {"Aarhus", 56.2, 10.2, 1}, {"Odense", 55.4, 10.4, 1}}},
	{"FR", .3, [3]city{{"Paris", 48.9, 2.4, 1}, {"Lyon", 45.8, 4.8, 1}, {"Marseille", 43.3, 5.4, 1}}},
	{"IT", .3, [3]city{{"Rome", 41.9, 12.5, 1}, {"Milan", 45.5, 9.2, 1}, {"Naples", 40.9, 14.3, 1}}},
	{"ES", .25, [3]city{{"Madrid", 40.4, -3.7, 1}, {"Barcelona", 41.4, 2.2, 1}, {"Valencia", 39.5, -0.4, 1}}},
	{"NL", .25, [3]city{{"Amsterdam", 52.4, 4.9, 1}, {"Rotterdam", 51.9, 4.5, 1}, {"Eindhoven", 51.4, 5.5, 1}}},
	{"CA", .25, [3]city{{"Toronto", 43.7, -79.4, -5}, {"Montreal", 45.5, -73.6, -5}, {"Vancouver", 49.3, -123.1, -8}}},
	{"ID", .2, [3]city{{"Jakarta", -6.2, 106.8, 7}, {"Surabaya", -7.3, 112.7, 7}, {"Medan", 3.6, 98.7, 7}}},
	{"JP", .15, [3]city{{"Tokyo", 35.7, 139.7, 9}, {"Osaka", 34.7, 135.5, 9}, {"Fukuoka", 33.6, 130.4, 9}}},
	{"ZA", .15, [3]city{{"Johannesburg", -26.2, 28.0, 2}, {"Cape Town", -33.9, 18.4, 2}, {"Durban", -29.9, 31.0, 2}}},
}

// hours is how many logins succeed in each local hour: about 5 a minute at night, 33 from eight to eight, and fewer
// until eleven, as the data set's figure shows.
var hours = [24]float64{7, 5, 5, 5, 5, 8, 14, 24, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 27, 21, 15, 10}
